"""One server per database: a lock on a file beside it, held as long as the process lives."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from bot.errors import AlreadyRunning


class DatabaseLock:
    """Holds ``<database>.lock``; the operating system releases it when the process dies.

    Raises:
        AlreadyRunning: another process holds it; the text names its number and since when.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 200, 0).decode("ascii", "replace").strip()
            self.release()
            raise AlreadyRunning(
                f"The database {database} is in use ({holder or 'by another process'}).",
                remedy="Stop that server first, or choose another data_dir.",
            ) from None
        since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"process {os.getpid()} since {since}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let the next one in; calling it again does nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
