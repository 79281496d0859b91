"""The one store: parts by concern over one database file."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.ports import Clock
from bot.settings import Settings
from bot.store import search_index, waits
from bot.store.backup import back_up, check
from bot.store.canaries import Canaries
from bot.store.conversations import Conversations
from bot.store.database import Database
from bot.store.erasing import Erasing
from bot.store.feedback import Feedback
from bot.store.flags import Flags
from bot.store.inbox import Inbox
from bot.store.insights import Insights
from bot.store.items import Items
from bot.store.jobs import Jobs
from bot.store.knowledge import Knowledge
from bot.store.ledger import Ledger
from bot.store.migrations import migrate
from bot.store.models import Models
from bot.store.outbox import Outbox
from bot.store.people import People
from bot.store.profiles import Profiles
from bot.store.records import BackupReport, CheckReport
from bot.store.shadow import Shadow
from bot.store.training import Training
from bot.store.unanswered import Unanswered
from bot.store.webhooks import Webhooks

_LOG = logging.getLogger(__name__)


class Store:
    """Everything that must survive the process.

    Attributes:
        db: the database, for reads and writes of one's own.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.conversations = Conversations(db, clock)
        self.outbox = Outbox(db, clock)
        self.inbox = Inbox(db, clock)
        self.knowledge = Knowledge(db, clock)
        self.feedback = Feedback(db, clock)
        self.people = People(db, clock)
        self.models = Models(db, clock)
        self.jobs = Jobs(db, clock)
        self.erasing = Erasing(db, clock)
        self.ledger = Ledger(db, clock)
        self.training = Training(db, clock)
        self.unanswered = Unanswered(db, clock)
        self.webhooks = Webhooks(db, clock)
        self.canaries = Canaries(db, clock)
        self.shadow = Shadow(db, clock)
        self.insights = Insights(db, clock)
        self.flags = Flags(db, clock)
        self.items = Items(db, clock)
        self.profiles = Profiles(db, clock)
        self._clock = clock

    @classmethod
    def open(cls, settings: Settings, clock: Clock = time.time) -> Store:
        """The store of ``settings.data_dir``, made or brought up to date; not a coroutine.

        Raises:
            AlreadyRunning: another process has it open.
            StorageUnavailable: the folder cannot be used, or the file is damaged or of a newer
                release.
        """
        db = Database(
            settings.database_path,
            settings.store.synchronous,
            settings.store.readers,
            prepare=migrate,
        )
        return cls(db, clock)

    async def close(self) -> None:
        """Finish what is queued and release the file; calling it again does nothing."""
        await self.db.close()

    async def backup(self, target: Path) -> BackupReport:
        """A verified copy of everything committed, at ``target``, made while the server runs.

        Search tables that turn out to be damaged are made anew, here as in the copy.

        Raises:
            StorageUnavailable: the copy could not be written or is not sound; ``target`` is
                untouched.
        """
        report = await self.db.read(lambda connection: back_up(connection, target, self._clock()))
        if report.search:
            _LOG.warning("damaged search tables are made anew: %s", ", ".join(report.search))
            await self.db.write(search_index.renew)
        return report

    async def shift_waits(self, seconds: float) -> None:
        """Move what waits for a time by ``seconds``, as the clock was: replies, webhooks, sessions.

        Raises:
            StorageUnavailable: nothing was moved.
        """
        await self.db.write(lambda connection: waits.shift(connection, seconds))

    async def settle_waits(self) -> None:
        """Let replies that were queued by a clock that was ahead wait from now.

        Raises:
            StorageUnavailable: they still wait for that time.
        """
        now = self._clock()
        await self.db.write(lambda connection: waits.settle(connection, now))

    async def check(self) -> CheckReport:
        """What is damaged: SQLite's own check, row digests, the audit chain."""
        return await self.db.read(check)

    def health(self) -> Mapping[str, Any]:
        """Sizes, queue depth, commits, SQLite's version, last checkpoint; not a coroutine."""
        return asdict(self.db.health())
