"""Where a webhook may lead, and names that resolve to another address each time."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.errors import BadRequest, SettingsInvalid
from bot.webhooks import checked_url, networks
from bot.webhooks.guard import Guard


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",
     "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1",
     "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "localhost", ""],
)  # fmt: skip
def test_addresses_inside_are_refused(address: str) -> None:
    assert not Guard(()).allows(address)


def test_named_networks_are_allowed_but_never_link_local() -> None:
    guard = Guard(networks(["10.0.0.0/8", "169.254.0.0/16"]))
    assert guard.allows("10.9.9.9")
    assert guard.allows("8.8.8.8")
    assert guard.allows("2606:4700::1111")
    assert not guard.allows("169.254.169.254")
    assert not guard.allows("192.168.1.1")
    assert not Guard(networks(["10.0.0.0/8"]), public=False).allows("8.8.8.8")
    with pytest.raises(SettingsInvalid, match="private_networks"):
        networks(["10.0.0.0/99"])


class Rebinding(aiohttp.abc.AbstractResolver):
    """Names that lead somewhere else each time they are asked for."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    async def resolve(self, host, port=0, family=0):
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 6,
                 "flags": 0}]  # fmt: skip

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("private", [(), ("10.0.0.0/8",)])
async def test_a_name_that_turns_inside_is_refused_where_it_is_connected(
    store, new_sender, receiver, private
):
    port = receiver.url.split(":")[2].split("/")[0]
    url = f"http://hooks.example:{port}/hook"
    webhook, _ = await store.webhooks.create("x", url, ["message.created"])
    resolver = Rebinding("127.0.0.1")
    sender = new_sender(private=networks(private), resolver=resolver)
    await sender.start()
    delivery = await store.webhooks.test(webhook, "")
    sender.wake()
    async with asyncio.timeout(10):
        while not (found := await store.webhooks.delivery(delivery))[1]:
            await asyncio.sleep(0.01)
    assert found[1][0].error == "address-refused"
    assert not receiver.got
    await sender.stop()


async def test_the_checked_address_is_the_connected_one(receiver):
    """The second answer of a rebinding name is never asked for between check and connection."""
    port = int(receiver.url.split(":")[2].split("/")[0])
    resolver = Rebinding("127.0.0.1", "127.0.0.99")
    guard = Guard(networks(["127.0.0.1/32"]), public=False)
    async with aiohttp.ClientSession(connector=guard.connector(resolver)) as session:
        async with session.post(f"http://a.example:{port}/") as answer:
            assert answer.status == 200
        await session.connector.close()
    assert resolver.addresses == ["127.0.0.99"]
    async with aiohttp.ClientSession(connector=guard.connector(resolver)) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post(f"http://a.example:{port}/")
        with pytest.raises(aiohttp.ClientConnectorError):  # a literal asks no resolver
            await session.post(f"http://127.0.0.2:{port}/")


@pytest.mark.parametrize(
    ("url", "word"),
    [("", "url"), ("ftp://a.b/", "url"), ("https://", "url"), ("https://a b/", "url"),
     ("https://a.b:99999/", "url"), ("https://[::1", "url"), ("javascript:alert(1)", "url"),
     ("https://u:p@a.b/", "credentials"), ("http://a.b/", "https"),
     ("https://127.0.0.1/", "address"), ("https://[::1]/", "address"),
     ("https://" + "a" * 2000, "url")],
)  # fmt: skip
def test_bad_addresses_are_refused_before_they_are_stored(url: str, word: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_url(url, ())
    assert refused.value.detail == word


def test_good_addresses_pass() -> None:
    assert checked_url("https://example.com/hook?x=1", ())
    assert checked_url("http://10.0.0.5:8080/", ("10.0.0.0/8",))
