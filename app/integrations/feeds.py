"""Entries out of RSS, Atom and JSON Feed, also out of broken ones."""

import codecs
import io
import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from email.message import Message
from typing import Any

import feedparser

from app.domain.errors import NotAFeed
from app.domain.news import FeedItem
from app.integrations.charset import declared, decode_text
from app.integrations.items import make_item, plain_text
from app.integrations.times import is_year_first, names_zone, parse_time, year_first

_MAX_PROLOG = 16_384  # bytes before the first element; also keeps feedparser's regular expressions fast
_HTML_ROOTS = {b"html", b"head", b"body", b"title", b"meta", b"div", b"p", b"h1", b"table", b"script"}


def parse_feed(content: bytes, content_type: str, url: str, zone: tzinfo = UTC) -> list[FeedItem]:
    """The entries of a feed, in its order, with links made absolute against `url` and times in UTC.

    Times that name no offset are of `zone`. Raises NotAFeed for anything else, and for XML that defines
    entities: their expansion can be unbounded.
    """
    if not content.strip(b"\0 \t\r\n\xef\xbb\xbf\xfe\xff"):
        raise NotAFeed(f"{url} is empty.")
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"{" or (start != b"<" and "json" in content_type.lower()):
        return _parse_json(content, content_type, url, zone)
    content, content_type = _settled(content, content_type)
    root = root_element(content, url)
    if root in _HTML_ROOTS:
        raise NotAFeed(f"{url} is a web page, not a feed.")
    return _parse_xml(content, content_type, url, zone)


def _settled(content: bytes, content_type: str) -> tuple[bytes, str]:
    """The content in a charset that the parser will find: declarations that do not fit are overruled."""
    utf8 = "application/xml; charset=utf-8"
    if content.isascii() or b"\0" in content[:64] or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content, content_type
    for encoding in ("utf-8", *declared(content, content_type)):
        try:
            content.decode(encoding)
        except UnicodeError:
            continue
        return content, utf8 if encoding == "utf-8" else content_type
    return decode_text(content, content_type).encode("utf-8", "ignore"), utf8


def root_element(content: bytes, url: str) -> bytes:
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


def _parse_xml(content: bytes, content_type: str, url: str, zone: tzinfo) -> list[FeedItem]:
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
    outlet = plain_text(feed.feed.get("title"))
    return _usable(_from_entry(entry, outlet, url, zone) for entry in feed.entries)


def _xml_type(content_type: str) -> str:
    """The media type as RFC 7303 has it: a charset counts where it is given, its absence means nothing."""
    message = Message()
    message["content-type"] = re.sub(r"[\r\n]", " ", content_type)
    charset = message.get_content_charset()
    return f"application/xml; charset={charset}" if charset else "application/xml"


def _from_entry(entry: Any, outlet: str, url: str, zone: tzinfo) -> FeedItem | None:
    parts = (*(part.get("value") for part in entry.get("content", [])), entry.get("summary"))
    source = entry.get("source")
    return make_item(
        feed_url=url,
        key=entry.get("id"),
        link=entry.get("link"),
        title=plain_text(entry.get("title")),
        text=max(map(plain_text, parts), key=len),
        published_at=_entry_time(entry, zone),
        outlet=plain_text(source.get("title")) if isinstance(source, dict) and source.get("title") else outlet,
    )


def _parse_json(content: bytes, content_type: str, url: str, zone: tzinfo) -> list[FeedItem]:
    try:
        feed = json.loads(decode_text(content, content_type))
    except (ValueError, RecursionError) as error:
        raise NotAFeed(f"{url} is not valid JSON: {error}.") from error
    if not isinstance(feed, dict) or "jsonfeed.org/version" not in str(feed.get("version")):
        raise NotAFeed(f"{url} is JSON, but not a JSON Feed.")
    items = feed.get("items")
    if not isinstance(items, list):
        raise NotAFeed(f"{url} is a JSON Feed without a list of items.")
    outlet = plain_text(feed.get("title"))
    return _usable(_from_json(item, outlet, url, zone) for item in items if isinstance(item, dict))


def _from_json(item: dict[str, Any], outlet: str, url: str, zone: tzinfo) -> FeedItem | None:
    moments = (parse_time(str(item.get(name) or ""), zone) for name in ("date_published", "date_modified"))
    return make_item(
        feed_url=url,
        key=item.get("id"),
        link=item.get("url") or item.get("external_url"),
        title=plain_text(item.get("title")),
        text=plain_text(item.get("content_text") or item.get("content_html") or item.get("summary")),
        published_at=next(filter(None, moments), None),
        outlet=outlet,
    )


def _entry_time(entry: dict[str, Any], zone: tzinfo) -> datetime | None:
    """The first usable of an entry's times."""
    for name in ("published", "updated", "created"):
        # feedparser's own lookup would answer one name with the value of another.
        moment = _to_utc(dict.get(entry, name), dict.get(entry, f"{name}_parsed"), zone)
        if moment is not None:
            return moment
    return None


def _to_utc(written: Any, parsed: time.struct_time | None, zone: tzinfo) -> datetime | None:
    """A time as written, in UTC. Dates with the year first are read here: feedparser mistakes 2024/05/01."""
    if is_year_first(str(written or "")):
        return year_first(written, zone)
    if parsed is None or str(written or "").strip().isdecimal():
        return None
    try:
        moment = datetime(*parsed[:5], min(parsed[5], 59), tzinfo=UTC)  # type: ignore[misc]  # second 60: leap
        return moment if names_zone(str(written)) else moment.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None


def _usable(items: Iterable[FeedItem | None]) -> list[FeedItem]:
    return [item for item in items if item is not None]
