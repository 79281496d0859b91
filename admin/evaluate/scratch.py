"""Settings of a server that lives in a temporary folder and knows nothing of the machine's own."""

from __future__ import annotations

from pathlib import Path

from bot.settings import Settings, load_settings


def scratch_settings(folder: Path, overrides: dict[str, object]) -> Settings:
    """A free port, a data folder inside ``folder``, a silent log, and ``overrides``."""
    empty = folder / "settings.toml"
    empty.touch()
    own = {"data_dir": str(folder / "data"), "http.port": 0, "log.level": "ERROR"}
    return load_settings(empty, environ={}, overrides=own | overrides)
