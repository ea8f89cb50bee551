"""Entries out of RSS, Atom and JSON Feed, also out of broken ones."""

import hashlib
import io
import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser

from app.domain.errors import NotAFeed
from app.domain.news import FeedItem
from app.integrations.extraction import parse_time, visible_text

_MAX_PROLOG = 16_384  # bytes before the first element; also keeps feedparser's regular expressions fast
_MAX_URL = 2000
_MARKUP = re.compile(r"<[a-zA-Z/]|<!--|&#?\w+;")
_YEAR_FIRST = re.compile(r"\s*(\d{4})[/年.](\d{1,2})[/月.](\d{1,2})日?(?:\s*(\d{1,2}:\d{2}(?::\d{2})?))?")
_HTML_ROOTS = {b"html", b"head", b"body", b"title", b"meta", b"div", b"p", b"h1", b"table", b"script"}


def parse_feed(content: bytes, content_type: str, url: str) -> list[FeedItem]:
    """The entries of a feed, in its order, with links made absolute against `url` and times in UTC.

    Raises NotAFeed for anything else, and for XML that defines entities: their expansion can be unbounded.
    """
    if not content.strip(b"\0 \t\r\n\xef\xbb\xbf\xfe\xff"):
        raise NotAFeed(f"{url} is empty.")
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"{" or (start != b"<" and "json" in content_type.lower()):
        return _parse_json(content, url)
    root = _root_element(content, url)
    if root in _HTML_ROOTS:
        raise NotAFeed(f"{url} is a web page, not a feed.")
    return _parse_xml(content, content_type, url)


def _root_element(content: bytes, url: str) -> bytes:
    """The lower-case name of the first element. Raises NotAFeed when there is none or entities come before it."""
    text = content.replace(b"\0", b"")  # also reads the ASCII part of UTF-16 and UTF-32
    at = 0
    while 0 <= (at := text.find(b"<", at)) < _MAX_PROLOG:
        if text.startswith(b"<!--", at):
            at = text.find(b"-->", at)
        elif text.startswith(b"<?", at):
            at = text.find(b"?>", at)
        elif text[at : at + 8].upper() == b"<!ENTITY":
            raise NotAFeed(f"{url} defines XML entities (<!ENTITY ...>), which is refused as unsafe.")
        elif name := re.match(rb"<([A-Za-z][\w:.-]*)", text[at : at + 100]):
            return name[1].lower()
        if at < 0:
            break
        at += 1
    raise NotAFeed(f"{url} is not a feed: it holds no XML and no JSON.")


def _parse_xml(content: bytes, content_type: str, url: str) -> list[FeedItem]:
    headers = {"content-location": url, "content-type": _xml_type(content_type)}
    try:
        feed = feedparser.parse(
            io.BytesIO(content), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    # feedparser means never to raise, yet its many parts do on hostile input, each in its own way.
    except Exception as error:
        raise NotAFeed(f"{url} cannot be read as a feed: {error}.") from error
    if not feed.entries and (feed.bozo or not feed.version):
        reason = feed.get("bozo_exception") or "it is XML of another kind"
        raise NotAFeed(f"{url} is not a feed: {reason}.")
    outlet = _plain(feed.feed.get("title"))
    return _usable(_from_entry(entry, outlet, url) for entry in feed.entries)


def _xml_type(content_type: str) -> str:
    """The media type as RFC 7303 has it: a charset counts where it is given, its absence means nothing."""
    message = Message()
    message["content-type"] = re.sub(r"[\r\n]", " ", content_type)
    charset = message.get_content_charset()
    return f"application/xml; charset={charset}" if charset else "application/xml"


def _from_entry(entry: Any, outlet: str, url: str) -> FeedItem | None:
    bodies = [_plain(part.get("value")) for part in entry.get("content", [])] + [_plain(entry.get("summary"))]
    source = entry.get("source")
    return _item(
        feed_url=url,
        key=entry.get("id"),
        link=entry.get("link"),
        title=_plain(entry.get("title")),
        text=max(bodies, key=len),
        published_at=_entry_time(entry),
        outlet=_plain(source.get("title")) if isinstance(source, dict) and source.get("title") else outlet,
    )


def _parse_json(content: bytes, url: str) -> list[FeedItem]:
    try:
        feed = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotAFeed(f"{url} is not valid JSON: {error}.") from error
    if not isinstance(feed, dict) or "jsonfeed.org/version" not in str(feed.get("version")):
        raise NotAFeed(f"{url} is JSON, but not a JSON Feed.")
    items = feed.get("items")
    if not isinstance(items, list):
        raise NotAFeed(f"{url} is a JSON Feed without a list of items.")
    outlet = _plain(feed.get("title"))
    return _usable(_from_json(item, outlet, url) for item in items if isinstance(item, dict))


def _from_json(item: dict[str, Any], outlet: str, url: str) -> FeedItem | None:
    moments = (parse_time(str(item.get(name) or "")) for name in ("date_published", "date_modified"))
    return _item(
        feed_url=url,
        key=item.get("id"),
        link=item.get("url") or item.get("external_url"),
        title=_plain(item.get("title")),
        text=_plain(item.get("content_text") or item.get("content_html") or item.get("summary")),
        published_at=next(filter(None, moments), None),
        outlet=outlet,
    )


def _item(
    feed_url: str, key: Any, link: Any, title: str, text: str, published_at: datetime | None, outlet: str
) -> FeedItem | None:
    """An item with an address of its own, or None when there is nothing in it to read."""
    if not title and not text:
        return None
    title = " ".join(title.split())
    digest = hashlib.sha256(str(key or title or text).encode("utf-8", "ignore")).hexdigest()[:16]
    address = _web_link(feed_url, link) or f"{feed_url}#{digest}"
    return FeedItem(address, title or text.splitlines()[0][:120], text, published_at, outlet)


def _web_link(base: str, link: Any) -> str | None:
    """An absolute http(s) address, or None: other schemes could run code in the reader's browser."""
    if not isinstance(link, str) or not link.strip():
        return None
    try:
        address = urljoin(base, link.strip())
        parts = urlsplit(address)
    except ValueError:
        return None
    usable = parts.scheme in ("http", "https") and parts.netloc and len(address) <= _MAX_URL
    return _storable(address) if usable else None


def _plain(value: Any) -> str:
    """A field as plain text: tags and entities resolved, white space folded; "" for anything but a string."""
    if not isinstance(value, str):
        return ""
    if _MARKUP.search(value):
        return visible_text(value)
    lines = (" ".join(line.split()) for line in _storable(value).splitlines())
    return "\n".join(line for line in lines if line)


def _storable(text: str) -> str:
    """The text without NUL and lone surrogates, which no database takes."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _entry_time(entry: dict[str, Any]) -> datetime | None:
    """The first usable of an entry's times."""
    for name in ("published", "updated", "created"):
        # feedparser's own lookup would answer one name with the value of another.
        moment = _to_utc(dict.get(entry, name), dict.get(entry, f"{name}_parsed"))
        if moment is not None:
            return moment
    return None


def _to_utc(written: Any, parsed: time.struct_time | None) -> datetime | None:
    """A time as written, in UTC. Dates with the year first are read here: feedparser mistakes 2024/05/01."""
    if year_first := _YEAR_FIRST.match(str(written or "")):
        year, month, day, clock = year_first.groups()
        return parse_time(f"{year}-{int(month):02}-{int(day):02}T{(clock or '00:00').zfill(5)}")
    if parsed is None or str(written or "").strip().isdecimal():
        return None
    try:
        return datetime(*parsed[:5], min(parsed[5], 59), tzinfo=UTC)  # type: ignore[misc]  # second 60: leap
    except (ValueError, OverflowError, TypeError):
        return None


def _usable(items: Iterable[FeedItem | None]) -> list[FeedItem]:
    return [item for item in items if item is not None]
