"""What was said before the command: settings file, data folder, debug."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bot.settings import Settings


@dataclass(frozen=True)
class Invocation:
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


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
