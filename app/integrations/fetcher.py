"""Fetch a page or a feed: politely, within limits of time and size, and from public addresses only."""

import mimetypes
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from app.domain.errors import FetchFailed, SourceBusy
from app.integrations.answers import Fetched, read_answer, web_address
from app.integrations.folder import LocalFiles
from app.integrations.guarded_network import GuardedTransport
from app.integrations.host_limits import HostLimits
from app.integrations.robots import MAX_BYTES as ROBOTS_BYTES
from app.integrations.robots import Robots

__all__ = ["Fetched", "Fetcher"]

USER_AGENT = "Bellwether/0.1 (+https://bellwether.example)"
_MAX_REDIRECTS = 5
_MAX_WAIT_SECONDS = 30.0
_FIRST_BACKOFF_SECONDS = 1.0


class Fetcher:
    """Fetches one address at a time; safe to share between threads.

    `timeout_seconds` bounds one attempt with all its redirects; there are at most `attempts`, with growing
    pauses, where the server is away or busy. `files` are the local files that may be read, if any. A
    `transport` replaces the network, and with it the check of addresses.
    """

    def __init__(
        self,
        timeout_seconds: float,
        max_bytes: int,
        allow_private_addresses: bool,
        user_agent: str = USER_AGENT,
        transport: httpx.BaseTransport | None = None,
        files: LocalFiles = LocalFiles(),  # noqa: B008 - frozen
        hosts: HostLimits | None = None,
        attempts: int = 3,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.max_bytes = max_bytes
        self._seconds, self._allow_private, self._files = timeout_seconds, allow_private_addresses, files
        self._user_agent, self._transport, self._sleep, self._attempts = user_agent, transport, sleep, attempts
        self._hosts = hosts or HostLimits()
        self._ssl_context = httpx.create_ssl_context()
        self._robots = Robots(self._load_robots, user_agent)

    def fetch(self, url: str, etag: str = "", last_modified: str = "", ignore_robots: bool = False) -> Fetched:
        """Fetch `url`, conditionally when `etag` or `last_modified` of an earlier answer are given.

        `ignore_robots` is for who has the site's leave. Raises AddressRefused for private addresses and schemes
        other than http(s), SourceBusy where a later visit may succeed, FetchFailed for the rest.
        """
        if self._files.allowed and url.lower().startswith("file:"):
            path = self._files.path_of(url)
            content = self._files.read(path, self.max_bytes)
            return Fetched(url, 200, content, mimetypes.guess_type(path.name)[0] or "", "", "", False)
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        permit = _permit_all if ignore_robots else self._ask_robots
        return self._persist(lambda: self._walk(url, headers, self._seconds, permit))

    def _persist(self, attempt: Callable[[], Fetched]) -> Fetched:
        """Try again where that may help: after the time that the server asks for, else after a jittered pause.

        Who was slow once is not asked again: the other sources would wait for it.
        """
        for tried in range(1, self._attempts):
            begun = time.monotonic()
            try:
                return attempt()
            except SourceBusy as failure:
                if time.monotonic() - begun >= self._seconds / 2:
                    raise
                if failure.seconds is not None and failure.seconds > _MAX_WAIT_SECONDS:
                    message = f"{failure} It asks to come back in {failure.seconds:.0f} s."
                    raise SourceBusy(message, failure.seconds) from failure
                self._sleep(_backoff(tried) if failure.seconds is None else failure.seconds)
        return attempt()

    def _walk(
        self,
        url: str,
        headers: dict[str, str],
        seconds: float,
        permit: Callable[[httpx.URL], None],
        limit: int = 0,
        cut: bool = False,
    ) -> Fetched:
        """Fetch `url` through its redirects, asking for leave before every request."""
        headers = {"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        address, left = web_address(url), seconds
        for _ in range(1 + _MAX_REDIRECTS):
            permit(address)
            with self._hosts.turn(address.host, self._robots.crawl_delay(_site(address))):
                begun = time.monotonic()  # only now: waiting for a turn is not slowness
                with self._network(begun + left) as transport:
                    answer = _get(transport, address, headers, seconds, limit or self.max_bytes, cut)
                left -= time.monotonic() - begun
            if isinstance(answer, Fetched):
                return answer
            address = answer
        raise FetchFailed(f"{url} leads through more than {_MAX_REDIRECTS} redirects. Check the address.")

    @contextmanager
    def _network(self, deadline: float) -> Iterator[httpx.BaseTransport]:
        if self._transport is not None:
            yield self._transport
            return
        with GuardedTransport(deadline, self._allow_private, self._ssl_context) as transport:
            yield transport

    def _ask_robots(self, address: httpx.URL) -> None:
        self._robots.check(_site(address), str(address))

    def _load_robots(self, url: str) -> bytes:
        # Half the time, so that a silent robots.txt leaves some for the page itself.
        return self._walk(url, {}, self._seconds / 2, _permit_all, ROBOTS_BYTES, cut=True).content


def _permit_all(_address: httpx.URL) -> None:
    pass


def _site(address: httpx.URL) -> str:
    return f"{address.scheme}://{address.netloc.decode('ascii')}"


def _backoff(tried: int) -> float:
    """Seconds: doubling, with jitter so that sources of one host do not return in step."""
    return random.uniform(0.5, 1.0) * _FIRST_BACKOFF_SECONDS * 2 ** (tried - 1)


def _get(
    transport: httpx.BaseTransport,
    address: httpx.URL,
    headers: dict[str, str],
    seconds: float,
    limit: int,
    cut: bool,
) -> Fetched | httpx.URL:
    """One request: the answer, or the address that it redirects to."""
    timeouts = httpx.Timeout(seconds).as_dict()
    request = httpx.Request("GET", address, headers=headers, extensions={"timeout": timeouts})
    try:
        response = transport.handle_request(request)
        try:
            return read_answer(response, address, limit, cut)
        finally:
            response.close()
    except httpx.ConnectTimeout as error:
        raise SourceBusy(f"{address.host} could not be reached within {seconds:g} s.") from error
    except httpx.ConnectError as error:
        raise SourceBusy(f"{address.host} could not be reached: {error}.") from error
    except httpx.TimeoutException as error:
        raise SourceBusy(f"{address} was not complete within {seconds:g} s.") from error
    except httpx.TransportError as error:
        raise SourceBusy(f"{address} broke off: {error}.") from error
