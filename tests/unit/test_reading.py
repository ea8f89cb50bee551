"""What answers and files hold, by the kind of source; hostile ones too."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import FetchFailed, InvalidInput, NotAFeed
from app.domain.news import Source
from app.integrations.answers import Fetched
from app.integrations.reading import Reading, looks_like_html, read_answer_of, read_file

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
URL = "https://news.example/feed"
FEED = (
    '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>The Ledger</title>'
    "<item><title>铜线银行 &amp; Co</title><link>https://news.example/1</link>"
    "<description><![CDATA[<p>One.</p>]]></description><pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate></item>"
    "<item><title>Two</title><guid>2</guid></item></channel></rss>"
).encode()
MAP = b"<urlset><url><loc>https://news.example/1</loc><lastmod>2026-03-01</lastmod></url></urlset>"
PAGE = (
    b"<!doctype html><html><head><title>T</title></head><body><p>Some words.</p><a href='/1'>One</a></body></html>"
)
CHINESE = "铜线银行今日确认，在手机银行停止服务期间，约四十二万名客户的资料被入侵者复制。"


def read(content: bytes, kind: str = "auto", content_type: str = "", **options: Any) -> Reading:
    source = Source(1, "A", URL, kind, options=options)
    return read_answer_of(source, Fetched(URL, 200, content, content_type, "", "", False), NOW, 1_000_000)


@pytest.mark.parametrize(
    ("content", "url"), [(FEED, "https://news.example/1"), (MAP, "https://news.example/1"), (PAGE, URL)]
)
def test_read_auto_finds_out_what_it_is(content: bytes, url: str) -> None:
    assert read(content).items[0].url == url


def test_read_feed_only_refuses_a_page() -> None:
    with pytest.raises(NotAFeed, match="web page"):
        read(PAGE, "feed")


def test_read_with_an_unknown_zone_or_mapping_says_so() -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        read(FEED, time_zone="Mars/Base")
    with pytest.raises(InvalidInput, match="mapping"):
        read(b"[]", "json", mapping="nonesuch")


@pytest.mark.parametrize(("content", "html"), [(b"\n<!DOCTYPE html><p>", True), (b"<rss>", False), (b"", False)])
def test_looks_like_html_reads_the_start(content: bytes, html: bool) -> None:
    assert looks_like_html(content, "") is html
    assert looks_like_html(content, "text/HTML; charset=x")


@pytest.mark.parametrize(
    ("name", "content", "titles"),
    [
        ("a.xml", FEED, ["铜线银行 & Co", "Two"]),
        ("a.html", PAGE, ["T"]),
        ("a.txt", "﻿标题一\n\n正文。".encode(), ["标题一"]),
        ("a.md", b"# Heading\nWords.", ["Heading"]),
        ("a.json", b'[{"title": "J", "text": "x"}]', ["J"]),
        ("a.jsonl", b'{"title": "L", "text": "a\xe2\x80\xa8b"}\n\n{"title": "half', ["L"]),
        ("a.csv", f"title,text,published_at\n银行确认,{CHINESE},2024-05-01\n".encode("gb18030"), ["银行确认"]),
    ],
)
def test_read_file_by_its_ending(tmp_path: Path, name: str, content: bytes, titles: list[str]) -> None:
    (path := tmp_path / name).write_bytes(content)
    items = read_file(path, content)
    assert [item.title for item in items] == titles
    assert all(item.url for item in items)


def test_read_text_without_a_date_is_of_its_file(tmp_path: Path) -> None:
    (path := tmp_path / "a.txt").write_text("Title\nText")
    item = read_file(path, b"Title\nText")[0]
    assert (item.title, item.text, item.url) == ("Title", "Text", path.as_uri())
    assert item.published_at == datetime.fromtimestamp(path.stat().st_mtime, UTC)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt", b" "), ("a.jsonl", b"x\n{}"), ("a.jsonl", b"7\n"), ("a.json", b"{}x"), ("a.xml", b"")],
)
def test_read_unusable_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (path := tmp_path / name).write_bytes(content)
    with pytest.raises((NotAFeed, InvalidInput), match="a\\."):
        read_file(path, content)


def cut(content: bytes, at: int, _value: int) -> bytes:
    return content[: at % (len(content) + 1)]


def flip(content: bytes, at: int, value: int) -> bytes:
    at %= len(content)
    return content[:at] + bytes([value]) + content[at + 1 :]


def repeat(content: bytes, at: int, value: int) -> bytes:
    at %= len(content)
    return content[:at] + content[at : at + value] * 3 + content[at:]


CHANGE = st.tuples(st.sampled_from([cut, flip, repeat]), st.integers(0, 10_000), st.integers(0, 255))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    content=st.sampled_from([FEED, MAP, PAGE, FEED.decode().encode("utf-16"), b"\x1f\x8b" + FEED]),
    changes=st.lists(CHANGE, min_size=1, max_size=4),
    kind=st.sampled_from(["auto", "feed", "page", "sitemap", "list", "json"]),
    content_type=st.sampled_from(["", "text/html; charset=gbk", "application/json", "text/xml; charset=utf-7"]),
)
def test_read_damaged_answers_gives_items_or_a_clear_error(
    content: bytes,
    changes: list[tuple[Callable[[bytes, int, int], bytes], int, int]],
    kind: str,
    content_type: str,
) -> None:
    for change, at, value in changes:
        content = change(content, at, value) if content else content
    try:
        reading = read(content, kind, content_type, selector="a", mapping="gdelt")
    except (NotAFeed, FetchFailed):
        return
    assert all(item.url.startswith(("http://", "https://")) for item in reading.items)
