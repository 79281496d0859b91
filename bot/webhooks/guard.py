"""Where a webhook may lead: not into our own network, whatever its name resolves to.

The address is checked where the connection is made, after the name was resolved, so a name that
resolves to another address each time (DNS rebinding) gains nothing: what was checked is what is
connected. Literal addresses come the same way.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.certificates import authorities
from bot.errors import BadRequest, SettingsInvalid

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_URL = 2000
# IPv6 that carries an IPv4 address in its last 32 bits (Source: RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """The address is one that a webhook must not reach."""


class Guard:
    """Which addresses may be connected.

    Args:
        private: networks inside that are allowed all the same.
        public: whether the rest of the internet is; False for plain http, which must not leave.
    """

    def __init__(self, private: Sequence[Network], *, public: bool = True) -> None:
        self._private = tuple(private)
        self._public = public

    def allows(self, host: str) -> bool:
        """True for an address (not a name) that may be connected."""
        try:
            address = _carried(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            return False
        # A cloud's metadata service is link-local: never, whatever the settings say.
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        if any(address in network for network in self._private):
            return True
        return self._public and address.is_global

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for the resolved address.

        Raises:
            AddressRefused: it must not be connected.
        """
        family, kind, protocol, _, address = info
        if not self.allows(str(address[0])):
            raise AddressRefused(f"{address[0]} is not a public address")
        return socket.socket(family, kind, protocol)

    def connector(self, resolver: AbstractResolver | None = None) -> TCPConnector:
        """A connector that reaches only what is allowed; names are resolved for each connection."""
        return TCPConnector(
            resolver=_Filtering(self, resolver or ThreadedResolver()),
            socket_factory=self.open_socket,
            use_dns_cache=False,
            limit=32,
            ssl=authorities() if self._public else True,
        )


class _Filtering(AbstractResolver):
    """Leaves out the addresses that may not be connected, so that the allowed ones are tried."""

    def __init__(self, guard: Guard, inner: AbstractResolver) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [one for one in found if self._guard.allows(one["host"])]
        if not allowed:
            raise AddressRefused(f"{host} has no public address")
        return allowed

    async def close(self) -> None:
        await self._inner.close()


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of the setting ``webhooks.private_networks``.

    Raises:
        SettingsInvalid: one is not a network.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise SettingsInvalid(
                f"Settings: webhooks.private_networks: {error}.",
                remedy="Write networks like 10.0.0.0/8 or addresses like 192.168.1.5.",
            ) from error
    return tuple(found)


def checked_url(url: str, private: Sequence[str]) -> str:
    """``url``, if a webhook may have it.

    Raises:
        BadRequest: not an address of the web, or plain http while the settings allow no network
            inside; the detail is a stable word: ``url``, ``credentials``, ``https``, ``address``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadRequest("url") from None
    printable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise BadRequest("url")
    if len(url) > _MAX_URL or not printable:
        raise BadRequest("url")
    if parts.username is not None or parts.password is not None:
        raise BadRequest("credentials")
    if parts.scheme == "http" and not private:
        raise BadRequest("https")
    if _is_literal(host) and not Guard(networks(private)).allows(host):
        raise BadRequest("address")
    return url


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _carried(address: _Address) -> _Address:
    """The IPv4 address inside of one that only wraps it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
