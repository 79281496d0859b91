"""Passwords as argon2id hashes, computed in two threads of their own.

A hash takes 64 MiB and about a tenth of a second: it may never run in the event loop, nor more
than two at a time.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.access.guessable import is_guessable
from bot.errors import BadRequest, TooManyRequests

T = TypeVar("T")
MIN_LENGTH = 10
MAX_LENGTH = 256
_MAX_WAITING = 16


def checked_password(text: str, own: Iterable[str] = ()) -> str:
    """``text`` if it can be a password; ``own`` are words that a guesser knows of the person.

    Raises:
        BadRequest: shorter than 10 or longer than 256 characters, or among the first to be guessed.
    """
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise BadRequest(
            f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.",
            remedy="Several words are long and easy to remember.",
        )
    if len(set(text)) < 4 or is_guessable(text, own):
        raise BadRequest("This password is too easy to guess.", remedy="Use several words.")
    return text


class Passwords:
    """Hashes and verifies; close it at the end."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody = _hash_of_nobody(self._hasher)

    async def hash(self, password: str) -> str:
        """The encoded hash to store.

        Raises:
            TooManyRequests: too many are waiting already.
        """
        return await self._in_pool(self._hash, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """True when ``password`` belongs to ``encoded``.

        None (no such account, or one without a password) takes the same time and is False.

        Raises:
            TooManyRequests: too many are waiting already.
        """
        right = await self._in_pool(self._matches, encoded or self._nobody, password)
        return right and encoded is not None

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_pool(self, function: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= _MAX_WAITING:
            raise TooManyRequests(retry_after_s=2)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, function, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password.encode("utf-8", "surrogatepass"))

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password.encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False


def _hash_of_nobody(hasher: PasswordHasher) -> str:
    """A hash that costs as much as every other and that no password has."""
    salt = base64.b64encode(bytes(hasher.salt_len)).decode().rstrip("=")
    digest = base64.b64encode(bytes(hasher.hash_len)).decode().rstrip("=")
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
