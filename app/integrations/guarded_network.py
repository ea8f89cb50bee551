"""Connections that go to public addresses only and end by a deadline.

The check sits where the connection is made: a name is resolved once, its addresses are judged, and one of
those very addresses is dialled. A redirect or a second DNS answer therefore cannot lead anywhere else.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable

import httpcore
import httpx

from app.domain.errors import AddressRefused

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, seen through IPv6 wrappings of IPv4."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class GuardedTransport(httpx.HTTPTransport):
    """An HTTP transport whose every connection is checked and is over by `deadline` (time.monotonic()).

    Name resolution is bounded by the system's resolver alone.
    """

    def __init__(self, deadline: float, allow_private_addresses: bool, ssl_context: ssl.SSLContext) -> None:
        super().__init__(verify=ssl_context)
        # httpx offers no public way to name the network backend of its pool.
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            network_backend=_GuardedBackend(deadline, allow_private_addresses),
            max_keepalive_connections=0,
        )


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, deadline: float, allow_private_addresses: bool) -> None:
        self._deadline, self._allow_private = deadline, allow_private_addresses
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._resolve(host, port)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for tried, address in enumerate(addresses):
            # Each address gets a fair share, so that a dead IPv6 route leaves time for IPv4.
            share = _remaining(self._deadline, httpcore.ConnectTimeout) / (len(addresses) - tried)
            try:
                stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} is unknown") from error
        addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise AddressRefused(
                f"{host} is an address of a private network, which is not fetched. "
                "Set BELLWETHER_ALLOW_PRIVATE_ADDRESSES=true if sources of your own network are meant."
            )
        return addresses


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose single reads and writes add up to no more than the time left."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _remaining(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _remaining(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _remaining(self._deadline, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


def _remaining(deadline: float, expired: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise expired("the time limit is over")
    return left
