"""A writing command, sent to the running server or carried out here under the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.settings import Settings


def perform(settings: Settings, command: str, /, **args: Any) -> dict[str, Any]:
    """The result of the command (see ``admin.operations``).

    Raises:
        NeurobotError: the command failed.
    """
    from admin.operations import register
    from bot import control

    register()
    return control.run(settings, command, args)
