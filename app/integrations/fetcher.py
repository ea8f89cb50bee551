"""Fetch a page or a feed: politely, within limits of time and size, and from public addresses only."""

import mimetypes
import random
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
from protego import Protego

from app.domain.errors import AddressRefused, FetchFailed, SourceError
from app.integrations.guarded_network import GuardedTransport

_MAX_REDIRECTS = 5
_MAX_WAIT_SECONDS = 30.0
_ROBOTS_SECONDS = 3600.0
_ROBOTS_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 KiB must be read
_ROBOTS_HOSTS = 1000
_STEP = 65_536
_BUSY = {502, 503, 504}


@dataclass(frozen=True)
class Fetched:
    """An answer. `url` is where the last redirect led; `content` is decompressed but not decoded."""

    url: str
    status: int
    content: bytes
    content_type: str
    etag: str
    last_modified: str
    not_modified: bool


class _TryAgain(FetchFailed):
    """A failure that a second attempt after `wait` seconds may mend."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class Fetcher:
    """Fetches one address at a time; safe to share between threads.

    `timeout_seconds` bounds one attempt with all its redirects; there are at most two attempts. A
    `transport` replaces the network, and with it the check of addresses.
    """

    def __init__(
        self,
        timeout_seconds: float,
        max_bytes: int,
        allow_private_addresses: bool,
        user_agent: str = "Bellwether/0.1 (+https://bellwether.example)",
        transport: httpx.BaseTransport | None = None,
        allow_files: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds, self._max_bytes = timeout_seconds, max_bytes
        self._allow_private, self._allow_files = allow_private_addresses, allow_files
        self._user_agent, self._transport, self._sleep = user_agent, transport, sleep
        self._ssl_context = httpx.create_ssl_context()
        self._robots: dict[str, tuple[float, Protego | None]] = {}

    def fetch(self, url: str, etag: str = "", last_modified: str = "") -> Fetched:
        """Fetch `url`, conditionally when `etag` or `last_modified` of an earlier answer are given.

        Raises AddressRefused for private addresses and schemes other than http(s), FetchFailed for the rest.
        """
        if self._allow_files and url.lower().startswith("file:"):
            return _read_file(url, self._max_bytes)
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        try:
            return self._follow(url, headers)
        except _TryAgain as failure:
            self._sleep(failure.wait)
            return self._follow(url, headers)

    def _follow(self, url: str, headers: dict[str, str]) -> Fetched:
        """Fetch `url` through its redirects, asking the robots.txt of every host on the way."""
        return self._walk(url, headers, self._seconds, self._max_bytes, self._check_robots)

    def _walk(
        self, url: str, headers: dict[str, str], seconds: float, limit: int, permit: Callable[[httpx.URL], None]
    ) -> Fetched:
        headers = {"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        address = _web_address(url)
        with self._network(seconds) as transport:
            for _ in range(1 + _MAX_REDIRECTS):
                permit(address)
                answer = _get(transport, address, headers, seconds, limit)
                if isinstance(answer, Fetched):
                    return answer
                address = answer
        raise FetchFailed(f"{url} leads through more than {_MAX_REDIRECTS} redirects. Check the address.")

    @contextmanager
    def _network(self, seconds: float) -> Iterator[httpx.BaseTransport]:
        if self._transport is not None:
            yield self._transport
            return
        deadline = time.monotonic() + seconds
        with GuardedTransport(deadline, self._allow_private, self._ssl_context) as transport:
            yield transport

    def _check_robots(self, address: httpx.URL) -> None:
        site = f"{address.scheme}://{address.netloc.decode('ascii')}"
        rules = self._rules_of(site)
        if rules and not rules.can_fetch(str(address), self._user_agent.partition("/")[0]):
            raise FetchFailed(f"{site} asks robots not to read {address.path} (robots.txt). Remove the source.")

    def _rules_of(self, site: str) -> Protego | None:
        """The rules of a site, kept for an hour; None when it has none or they cannot be read."""
        now = time.monotonic()
        read_at, rules = self._robots.get(site, (-_ROBOTS_SECONDS, None))
        if now - read_at < _ROBOTS_SECONDS:
            return rules
        try:
            # Half the time, so that a silent robots.txt leaves some for the page itself.
            answer = self._walk(f"{site}/robots.txt", {}, self._seconds / 2, _ROBOTS_BYTES, lambda _: None)
            rules = Protego.parse(answer.content.decode("utf-8", "replace"))
        except SourceError:
            rules = None
        if len(self._robots) >= _ROBOTS_HOSTS:
            self._robots.clear()
        self._robots[site] = (now, rules)
        return rules


def _web_address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"{url!r} is not a valid address: {error}.") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise AddressRefused(f"{url!r} is not fetched: only http and https addresses are.")
    return address


def _get(
    transport: httpx.BaseTransport, address: httpx.URL, headers: dict[str, str], seconds: float, limit: int
) -> Fetched | httpx.URL:
    """One request: the answer, or the address that it redirects to."""
    timeouts = httpx.Timeout(seconds).as_dict()
    request = httpx.Request("GET", address, headers=headers, extensions={"timeout": timeouts})
    try:
        response = transport.handle_request(request)
        try:
            return _read(response, address, limit)
        finally:
            response.close()
    except httpx.ConnectTimeout as error:
        raise _TryAgain(f"{address.host} could not be reached within {seconds:g} s.", _jitter()) from error
    except httpx.ConnectError as error:
        raise _TryAgain(f"{address.host} could not be reached: {error}.", _jitter()) from error
    except httpx.TimeoutException as error:
        raise FetchFailed(f"{address} was not complete within {seconds:g} s.") from error
    except httpx.TransportError as error:
        raise FetchFailed(f"{address} broke off: {error}.") from error


def _read(response: httpx.Response, address: httpx.URL, limit: int) -> Fetched | httpx.URL:
    status = response.status_code
    if response.has_redirect_location:
        return _redirect_target(address, response.headers["location"])
    if status in _BUSY:
        raise _busy(response, address)
    if status != HTTPStatus.NOT_MODIFIED and not response.is_success:
        raise FetchFailed(_refusal(status, address))
    not_modified = status == HTTPStatus.NOT_MODIFIED
    return Fetched(
        url=str(address),
        status=status,
        content=b"" if not_modified else _body(response, address, limit),
        content_type=response.headers.get("content-type", ""),
        etag=response.headers.get("etag", ""),
        last_modified=response.headers.get("last-modified", ""),
        not_modified=not_modified,
    )


def _redirect_target(address: httpx.URL, location: str) -> httpx.URL:
    try:
        target = str(address.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"{address} redirects to an invalid address: {location!r}.") from error
    return _web_address(target)


def _refusal(status: int, address: httpx.URL) -> str:
    phrase = f"{status} {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else str(status)
    if status in (404, 410):
        return f"{address} does not exist ({phrase}). Check the address of the source."
    if status in (401, 403):
        return f"{address} may not be read without permission ({phrase})."
    return f"{address} answered {phrase}."


def _busy(response: httpx.Response, address: httpx.URL) -> FetchFailed:
    wait = _retry_after(response.headers)
    message = f"{address.host} is unavailable at the moment ({response.status_code})."
    if wait is None:
        return _TryAgain(message, _jitter())
    if wait > _MAX_WAIT_SECONDS:
        return FetchFailed(f"{message} It asks to come back in {wait:.0f} s.")
    return _TryAgain(message, wait)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait by the Retry-After header, a date being read against the server's own clock."""
    value = headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


def _jitter() -> float:
    return random.uniform(0.3, 1.0)


def _body(response: httpx.Response, address: httpx.URL, limit: int) -> bytes:
    """The body, decompressed step by step so that neither its size nor its expansion passes `limit`."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    # The raw stream: httpx would inflate a whole network chunk at once, however large it becomes.
    chunks: Iterable[bytes] = response.stream  # type: ignore[assignment]
    if coding in ("gzip", "x-gzip"):
        chunks = _gunzip(chunks, address)
    elif coding not in ("", "identity"):
        raise FetchFailed(f"{address} is compressed with {coding!r}, which was not asked for.")
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise FetchFailed(f"{address} is larger than {limit:,} bytes (BELLWETHER_FETCH_MAX_BYTES).")
    return bytes(body)


def _gunzip(chunks: Iterable[bytes], address: httpx.URL) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    begun = False
    try:
        for chunk in chunks:
            begun = begun or bool(chunk)
            while chunk and not decoder.eof:
                yield decoder.decompress(chunk, _STEP)
                chunk = decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise FetchFailed(f"{address} is damaged: its compression cannot be undone.") from error
    if begun and not decoder.eof:
        raise FetchFailed(f"{address} broke off before its end.")


def _read_file(url: str, limit: int) -> Fetched:
    try:
        path = Path(url2pathname(urlsplit(url).path))
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise FetchFailed(f"{url} cannot be read: {error}.") from error
    if len(content) > limit:
        raise FetchFailed(f"The file {path} is larger than {limit:,} bytes (BELLWETHER_FETCH_MAX_BYTES).")
    return Fetched(url, 200, content, mimetypes.guess_type(path.name)[0] or "", "", "", False)
