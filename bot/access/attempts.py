"""How often somebody may guess a password.

Five wrong ones per account and address and twenty per address in 15 minutes. Wrong ones from many
addresses slow an account down and never lock it: a stranger cannot shut an agent out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.limits import RateLimiter

_WINDOW_S = 900.0
_FREE = 10.0  # wrong attempts on an account, from anywhere, before it slows down
_LONGEST_DELAY_S = 4.0


class Attempts:
    """Counts wrong attempts. ``now`` gives monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._pairs = RateLimiter(5, _WINDOW_S, now=now)
        self._addresses = RateLimiter(20, _WINDOW_S, now=now)
        self._accounts = RateLimiter(100, _WINDOW_S, now=now)

    def check(self, login: str, address: str) -> None:
        """Let an attempt through.

        Raises:
            TooManyRequests: too many wrong ones before.
        """
        self._addresses.check(address)
        self._pairs.check(self._pair(login, address))

    def delay_s(self, login: str) -> float:
        """How long to wait before this attempt is answered, 0 to 4 seconds."""
        beyond = self._accounts.used(self._account(login)) - _FREE
        return min(_LONGEST_DELAY_S, max(0.0, beyond * 0.1))

    def failed(self, login: str, address: str) -> None:
        """Count a wrong attempt, made by ``address`` on ``login``."""
        self._addresses.count(address)
        self._pairs.count(self._pair(login, address))
        self._accounts.count(self._account(login))

    def succeeded(self, login: str, address: str) -> None:
        """Take the last ``failed`` back; forget what ``address`` got wrong on ``login``."""
        self._addresses.give_back(address)
        self._accounts.give_back(self._account(login))
        self._pairs.forget(self._pair(login, address))

    @staticmethod
    def _account(login: str) -> str:
        return login.strip().casefold()[:128]

    def _pair(self, login: str, address: str) -> str:
        return f"{address} {self._account(login)}"
