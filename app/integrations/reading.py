"""What a source's answer or file holds, by the kind of the source."""

import csv
import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.errors import InvalidInput, NotAFeed
from app.domain.news import FeedItem, Source
from app.integrations.answers import Fetched, unpacked
from app.integrations.charset import decode_text
from app.integrations.extraction import extract_page
from app.integrations.feeds import parse_feed
from app.integrations.items import make_item
from app.integrations.json_mapping import MAPPINGS, mapping_of, read_json, read_object
from app.integrations.list_page import read_list
from app.integrations.sitemap import DAYS, is_sitemap, read_sitemap

FEED_FILES, PAGE_FILES, TEXT_FILES = {".xml", ".rss", ".atom"}, {".html", ".htm", ".xhtml"}, {".txt", ".md"}
ROW_FILES = {".json", ".jsonl", ".ndjson", ".csv"}
FILES = FEED_FILES | PAGE_FILES | TEXT_FILES | ROW_FILES  # endings of the files that a folder source reads


@dataclass(frozen=True)
class Reading:
    """The items of an answer, and the addresses that have to be read besides."""

    items: list[FeedItem]
    further: tuple[str, ...] = ()


def read_answer_of(source: Source, answer: Fetched, now: datetime, limit: int) -> Reading:
    """The items of an answer to a visit; unpacked, it may hold `limit` bytes.

    Raises NotAFeed for what cannot be read as the source's kind, InvalidInput for options that are unusable.
    """
    zone, options = zone_of(source), source.options
    content, content_type, url = unpacked(answer.content, answer.url, limit), answer.content_type, answer.url
    if source.kind == "page":
        return Reading([extract_page(content, url, content_type)])
    if source.kind == "list":
        return Reading(read_list(content, content_type, url, str(options.get("selector", "")), zone))
    if source.kind == "json":
        return Reading(read_json(content, content_type, url, mapping_of(options.get("mapping")), zone))
    if source.kind == "sitemap" or (source.kind == "auto" and is_sitemap(content)):
        return Reading(*read_sitemap(content, url, now, float(options.get("days", DAYS)), zone))
    try:
        return Reading(parse_feed(content, content_type, url, zone))
    except NotAFeed:
        if source.kind == "auto" and looks_like_html(content, content_type):
            return Reading([extract_page(content, url, content_type)])
        raise


def read_file(path: Path, content: bytes, zone: tzinfo = UTC) -> list[FeedItem]:
    """The articles of one file, by its ending (FILES). Raises NotAFeed, InvalidInput for a row that is none.

    Rows (JSON Lines, CSV, a JSON list) have title, url, text, published_at and outlet. A text or page without
    a date is of the file's own.
    """
    url, ending = path.as_uri(), path.suffix.lower()
    if ending in FEED_FILES:
        return parse_feed(content, "", url, zone)
    if ending == ".json":
        if b"jsonfeed.org/version" in content[:4096]:
            return parse_feed(content, "application/json", url, zone)
        return read_json(content, "", url, MAPPINGS["articles"], zone)
    if ending in ROW_FILES:
        text = decode_text(content)
        rows = csv.DictReader(io.StringIO(text)) if ending == ".csv" else _json_lines(text, path)
        return [found for row in rows if (found := read_object(row, url, MAPPINGS["articles"], zone))]
    if ending in PAGE_FILES:
        item: FeedItem | None = extract_page(content, url)
    else:
        text = decode_text(content).strip()
        title, _, rest = text.partition("\n")
        item = make_item(url, "", "", title.lstrip("# ").strip()[:300], rest.strip() or text, None, "")
    if item is None:
        raise NotAFeed(f"{path} is empty.")
    moment = item.published_at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return [replace(item, url=url, published_at=moment)]


def zone_of(source: Source) -> tzinfo:
    """The zone of times that name no offset; UTC where the source says nothing. Raises InvalidInput."""
    name = source.options.get("time_zone", "UTC")
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"The time zone {name!r} is unknown; use a name such as Asia/Shanghai.") from error


def looks_like_html(content: bytes, content_type: str) -> bool:
    """Whether an answer says, or shows by its start, that it is a web page."""
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "html" in content_type.lower() or start.startswith((b"<!doctype html", b"<html"))


def _json_lines(text: str, path: Path) -> list[dict[str, Any]]:
    rows = []
    lines = text.split("\n")  # not splitlines: U+2028 may stand inside of a text
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break  # still being written
            raise InvalidInput(f"{path}, line {number}, is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise InvalidInput(f"{path}, line {number}, is not an object with title and text.")
        rows.append(row)
    return rows
