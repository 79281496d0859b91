"""``python -m admin`` is the command ``neurobot``."""

from __future__ import annotations

from admin.cli import main

if __name__ == "__main__":
    main()
