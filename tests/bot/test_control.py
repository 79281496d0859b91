"""Commands reach the running server, or are carried out without one."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from typing import Any

import pytest

from bot import control
from bot.app import Running
from bot.errors import AlreadyRunning, BadRequest, Conflict, NotFound
from bot.services import Services
from bot.settings import Settings
from bot.store import Store


async def _make(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    agent = await services.store.people.create_agent(args["login"], args["login"])
    return {"id": agent.id, "login": agent.login}


async def _refuse(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    raise Conflict("Взято другим.", remedy="Wait.")


async def _fail(services: Services, args: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("broken")


@pytest.fixture(autouse=True)
def commands() -> Iterator[None]:
    before = control.registered()
    for name, command in (("make", _make), ("refuse", _refuse), ("fail", _fail)):
        control.register(f"test-{name}", command)
    yield
    control._COMMANDS.clear()
    control._COMMANDS.update(before)


def test_no_server_is_not_running(settings: Settings) -> None:
    with pytest.raises(control.NotRunning):
        control.call(settings, "test-make", {"login": "ann"})


def test_a_socket_left_by_a_dead_server_is_no_server(settings: Settings) -> None:
    settings.data_path.mkdir(parents=True)
    control._private_socket(settings.control_path).close()
    with pytest.raises(control.NotRunning):
        control.call(settings, "test-make", {"login": "ann"})
    assert control.run(settings, "test-make", {"login": "ann"})["login"] == "ann"


async def test_errors_come_back_as_they_were(server: Running) -> None:
    settings = server.services.settings
    with pytest.raises(Conflict, match="Взято") as refused:
        await asyncio.to_thread(control.call, settings, "test-refuse", {})
    assert refused.value.remedy == "Wait."
    with pytest.raises(NotFound, match="no-such"):
        await asyncio.to_thread(control.call, settings, "no-such", {})
    with pytest.raises(BadRequest, match="login"):
        await asyncio.to_thread(control.call, settings, "test-make", {})
    with pytest.raises(Exception, match="Something went wrong"):
        await asyncio.to_thread(control.call, settings, "test-fail", {})


async def test_the_running_server_carries_it_out(server: Running) -> None:
    settings = server.services.settings
    made = await asyncio.to_thread(control.run, settings, "test-make", {"login": "ann"})
    assert made == {"id": made["id"], "login": "ann"}
    assert await server.services.store.people.by_login("ann") is not None


async def test_the_socket_is_for_its_owner_alone(server: Running) -> None:
    mode = server.services.settings.control_path.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_without_a_server_the_lock_is_taken(settings: Settings) -> None:
    assert control.run(settings, "test-make", {"login": "ann"})["login"] == "ann"
    with pytest.raises(Conflict, match="Взято"):
        control.run(settings, "test-refuse", {})
    store = Store.open(settings)
    try:
        with pytest.raises(AlreadyRunning):
            control.run(settings, "test-make", {"login": "bob"})
    finally:
        asyncio.run(store.close())
    assert not settings.control_path.exists()
