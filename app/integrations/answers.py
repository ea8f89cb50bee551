"""Read an HTTP answer within limits: status, kind of content, size before and after decompression."""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from app.domain.errors import AddressRefused, FetchFailed, SourceBusy
from app.integrations.http_cache import fresh_seconds, retry_after

_STEP = 65_536
_BUSY = {429, 500, 502, 503, 504}
_NO_NEWS = re.compile(
    r"(image|video|audio|font|model)/|application/(pdf|zip|msword|vnd\.(ms-|openxml)|x-(msdownload|rar|7z|tar))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fetched:
    """An answer. `url` is where the last redirect led; `content` is decompressed but not decoded.

    `fresh_seconds` is how long the server lets the answer be used without asking again.
    """

    url: str
    status: int
    content: bytes
    content_type: str
    etag: str
    last_modified: str
    not_modified: bool
    fresh_seconds: float = 0.0


def web_address(url: str) -> httpx.URL:
    """An address that may be fetched. Raises AddressRefused for schemes other than http(s)."""
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"{url!r} is not a valid address: {error}.") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise AddressRefused(f"{url!r} is not fetched: only http and https addresses are.")
    return address


def read_answer(response: httpx.Response, address: httpx.URL, limit: int, cut: bool = False) -> Fetched | httpx.URL:
    """The answer, or the address that it redirects to. A body over `limit` bytes is refused, or `cut` there.

    Raises SourceBusy where another try may help, FetchFailed where it does not, AddressRefused.
    """
    status = response.status_code
    if response.has_redirect_location:
        return _redirect_target(address, response.headers["location"])
    if status in _BUSY:
        message = f"{address.host} is unavailable at the moment ({_phrase(status)})."
        raise SourceBusy(message, retry_after(response.headers))
    not_modified = status == HTTPStatus.NOT_MODIFIED
    if not not_modified and not response.is_success:
        raise FetchFailed(_refusal(status, address))
    content_type = response.headers.get("content-type", "")
    if not not_modified and _NO_NEWS.match(content_type.strip()):
        raise FetchFailed(
            f"{address} is of the type {content_type[:100]!r}, which holds no news. Check the address."
        )
    return Fetched(
        url=str(address),
        status=status,
        content=b"" if not_modified else _body(response, address, limit, cut),
        content_type=content_type,
        etag=response.headers.get("etag", ""),
        last_modified=response.headers.get("last-modified", ""),
        not_modified=not_modified,
        fresh_seconds=fresh_seconds(response.headers),
    )


def unpacked(content: bytes, url: str, limit: int) -> bytes:
    """Content that is a gzip file itself (sitemap.xml.gz), unpacked; anything else as it is. Raises FetchFailed."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    return _joined(_gunzip([content], url), url, limit)


def _redirect_target(address: httpx.URL, location: str) -> httpx.URL:
    try:
        target = str(address.join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"{address} redirects to an invalid address: {location!r}.") from error
    return web_address(target)


def _phrase(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else str(status)


def _refusal(status: int, address: httpx.URL) -> str:
    if status in (404, 410):
        return f"{address} does not exist ({_phrase(status)}). Check the address of the source."
    if status in (401, 403):
        return f"{address} may not be read without permission ({_phrase(status)})."
    return f"{address} answered {_phrase(status)}."


def _body(response: httpx.Response, address: httpx.URL, limit: int, cut: bool) -> bytes:
    """The body, decompressed step by step so that neither its size nor its expansion passes `limit`."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    # The raw stream: httpx would inflate a whole network chunk at once, however large it becomes.
    chunks: Iterable[bytes] = response.stream  # type: ignore[assignment]
    if coding in ("gzip", "x-gzip"):
        chunks = _gunzip(chunks, str(address))
    elif coding not in ("", "identity"):
        raise FetchFailed(f"{address} is compressed with {coding!r}, which was not asked for.")
    return _joined(chunks, str(address), limit, cut)


def _joined(chunks: Iterable[bytes], url: str, limit: int, cut: bool = False) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            if cut:
                break
            raise FetchFailed(f"{url} is larger than {limit:,} bytes (BELLWETHER_FETCH_MAX_BYTES).")
    return bytes(body[:limit])


def _gunzip(chunks: Iterable[bytes], url: str) -> Iterator[bytes]:
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
        raise FetchFailed(f"{url} is damaged: its compression cannot be undone.") from error
    if begun and not decoder.eof:
        raise FetchFailed(f"{url} broke off before its end.")
