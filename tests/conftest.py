"""Fixtures for every test: a settable clock, settings in a folder of its own, a migrated store."""

import asyncio
import logging
import shutil

import pytest
from hypothesis import settings as examples

from bot.event import Event
from bot.settings import Settings
from bot.store import Store

pytest_plugins = ["promise_report"]
# How long an example takes says how busy the machine is.
examples.register_profile("patient", deadline=None)
examples.load_profile("patient")


class TestClock:
    """Seconds since the epoch that move only when a test says so."""

    __test__ = False

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """The time ``seconds`` later."""
        self.now += seconds
        return self.now


@pytest.fixture
def clock():
    return TestClock()


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=str(tmp_path / "data"))


@pytest.fixture(scope="session")
def template_database(tmp_path_factory):
    """A migrated, empty database to copy: migrating once is enough."""
    folder = tmp_path_factory.mktemp("template")
    settings = Settings(data_dir=str(folder))

    async def make() -> None:
        await Store.open(settings).close()

    asyncio.run(make())
    return settings.database_path


@pytest.fixture
async def store(settings, clock, template_database):
    settings.data_path.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template_database, settings.database_path)
    opened = Store.open(settings, clock)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def same_logging():
    """What a test configures of the log ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {
        name: logger.level
        for name, logger in root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def fading():
    """``fading(now)``: events of 90 customers over 115 days, half of them under a company.

    Of each three the first (``user-0``, ``user-3``, ...) grew quiet and is gone for four weeks, the
    second grows quiet now, the third stays.
    """

    def story(now: float) -> list[Event]:
        events: list[Event] = []
        for customer in range(90):
            leaves, quiet = customer % 3 == 0, customer % 3 == 1
            company = f"firm-{customer}" if customer % 2 else ""
            for day in range(1, 116):
                fades = (leaves and 30 <= day < 45) or (quiet and day < 14)
                seldom = (day + customer) % 5 == 0
                if (leaves and day < 30) or (fades and not seldom):
                    continue
                if (day + customer) % 3 == 0 or fades:
                    for name in ("login", f"tool.{day % 4}"):
                        events.append(Event(
                            id=f"{customer}-{len(events)}", at=now - day * 86_400.0, name=name,
                            customer=f"user-{customer}", company=company,
                            counters={"files": day % 7},
                        ))  # fmt: skip
        return events

    return story
