"""What was said before the command: settings file, data folder, debug."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from bot.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


class Invocation(msgspec.Struct, frozen=True):
    """Flags common to all commands."""

    config: Path | None = None
    data_dir: str | None = None
    debug: bool = False

    def settings(self, **overrides: Any) -> Settings:
        """Settings from file, environment and flags; ``http__port=1`` means ``http.port``.

        Raises:
            SettingsInvalid: a key is unknown or a value out of range.
        """
        from bot.settings import load_settings

        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_settings(self.config, overrides={"data_dir": self.data_dir, **dotted})


def _known_preset(context: click.Context, parameter: click.Parameter, value: str) -> str:
    from bot.settings import PRESETS

    del context, parameter
    if value and value not in PRESETS:
        reason = f"there is no preset '{value}'; there are {', '.join(PRESETS)}."
        raise click.BadParameter(reason)
    return value


def preset_option(default: str = "") -> Callable[[Command], Command]:
    """``--preset`` as a known name; empty stands for what the settings say."""
    return click.option(
        "--preset", default=default, show_default=bool(default), callback=_known_preset,
        help="Kind of training.",
    )  # fmt: skip


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
