"""``python -m bot``: the server with desk, channels and API, without the operator's panel."""

from __future__ import annotations

import sys

from bot.errors import NeurobotError
from bot.settings import load_settings


def main() -> int:
    """Serve; the exit code says what went wrong (78 settings, 75 a second server)."""
    from bot.app import serve  # noqa: PLC0415 - settings are checked before anything is loaded

    try:
        serve(load_settings())
    except NeurobotError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
