"""Feeds: well-formed, broken, hostile, and real ones."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import NotAFeed
from app.domain.news import FeedItem
from app.integrations.feeds import parse_feed

URL = "https://news.example/markets/feed.xml"
DATASETS = os.environ.get("BELLWETHER_DATASETS", "")


def rss(items: str, head: str = '<?xml version="1.0" encoding="utf-8"?>') -> bytes:
    return f'{head}<rss version="2.0"><channel><title>The Ledger</title>{items}</channel></rss>'.encode()


def one(content: bytes, content_type: str = "application/rss+xml") -> FeedItem:
    items = parse_feed(content, content_type, URL)
    assert len(items) == 1
    return items[0]


def test_parse_rss_item() -> None:
    item = one(
        rss(
            "<item><title>Tessel &amp;amp; Vantry agree</title><link>/a?id=1</link>"
            "<description>&lt;p&gt;Shares &lt;b&gt;rose&lt;/b&gt;.&lt;/p&gt;"
            "&lt;script&gt;x()&lt;/script&gt;</description>"
            "<pubDate>Wed, 01 May 2024 10:00:00 +0800</pubDate></item>"
        )
    )
    assert item == FeedItem(
        "https://news.example/a?id=1",
        "Tessel & Vantry agree",
        "Shares rose.",
        datetime(2024, 5, 1, 2, tzinfo=UTC),
        "The Ledger",
    )


def test_parse_atom_prefers_the_fuller_text() -> None:
    item = one(
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>Desk</title><entry><title>T</title><id>urn:1</id>'
        b'<link href="x/1"/><updated>2024-05-01T10:00:00Z</updated><summary>Short.</summary>'
        b'<content type="html">&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;</content></entry></feed>'
    )
    assert item.url == "https://news.example/markets/x/1"
    assert item.text == "One.\nTwo."
    assert item.published_at == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_parse_json_feed() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Desk",
        "items": [
            {
                "id": "1",
                "url": "/1",
                "title": "T",
                "content_html": "<p>A &lt; B</p>",
                "date_published": "2024-05-01T10:00:00+02:00",
            },
            {"id": 7, "content_text": "Only text \ud800 here\u0000", "date_published": "soon"},
            {"id": "3"},
            "junk",
        ],
    }
    first, second = parse_feed(json.dumps(feed).encode(), "application/feed+json", URL)
    assert first == FeedItem("https://news.example/1", "T", "A < B", datetime(2024, 5, 1, 8, tzinfo=UTC), "Desk")
    assert second.title == second.text == "Only text here"
    assert second.published_at is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-05-01 10:00:00", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024/05/01 9:30", datetime(2024, 5, 1, 9, 30, tzinfo=UTC)),
        ("2024年5月1日 10:00", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("2024/13/41", None),
        ("1714557600", None),
        ("yesterday", None),
        ("", None),
        ("Wed, 99 Foo 99999 99:99:99 GMT", None),
    ],
)
def test_parse_dates_in_other_forms(written: str, expected: datetime | None) -> None:
    assert one(rss(f"<item><title>T</title><pubDate>{written}</pubDate></item>")).published_at == expected


def test_parse_item_without_link_gets_a_stable_address() -> None:
    content = rss("<item><title>A</title></item><item><title>B</title></item>")
    first, second = parse_feed(content, "", URL)
    assert first.url.startswith(URL + "#")
    assert first.url != second.url
    assert [first, second] == parse_feed(content, "", URL)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "http://[::bad", "https://x/" + "a" * 3000]
)
def test_parse_item_with_unusable_link_gets_an_address_of_the_feed(link: str) -> None:
    assert one(rss(f"<item><title>T</title><link>{link}</link></item>")).url.startswith(URL + "#")


def test_parse_item_without_title_and_text_is_dropped() -> None:
    assert parse_feed(rss("<item><link>https://x.example/1</link></item>"), "", URL) == []


def test_parse_plain_text_with_a_less_than_sign_keeps_it() -> None:
    assert one(rss("<item><title>Profit &lt; 5 and costs > 3</title></item>")).title == "Profit < 5 and costs > 3"


def test_parse_ill_formed_xml_keeps_what_can_be_recovered() -> None:
    content = b"<rss><channel><item><title>Cut off & broken</title><description>Text <b>here"
    assert one(content).title == "Cut off & broken"


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [("gb18030", "gb2312", "text/xml"), ("big5", "utf-8", "text/xml; charset=big5"), ("utf-16", "utf-16", "")],
)
def test_parse_chinese_encodings(encoding: str, declared: str, content_type: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>'
    content = rss("<item><title>銅線銀行</title></item>", head).decode().encode(encoding)
    assert one(content, content_type).title == "銅線銀行"


def bomb(separator: str = "\n") -> str:
    levels = separator.join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    return f'<?xml version="1.0"?><!-- <rss --><!DOCTYPE rss [<!ENTITY l0 "lol">{separator}{levels}]>'


@pytest.mark.parametrize("separator", ["\n", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_parse_billion_laughs_is_refused(separator: str, encoding: str) -> None:
    content = rss("<item><title>&l9;</title></item>", bomb(separator)).decode().encode(encoding)
    with pytest.raises(NotAFeed, match="ENTITY"):
        parse_feed(content, "", URL)


def test_parse_entity_in_an_article_about_xml_is_fine() -> None:
    assert "<!ENTITY" in one(rss("<item><title><![CDATA[How <!ENTITY works]]></title></item>")).title


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"<!DOCTYPE html><html><body><h1>Hello</h1></body></html>", "web page"),
        (b"<html><head><title>x</title></head></html>", "web page"),
        (b"just words", "no XML"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "no XML"),
        (b'<?xml version="1.0"?><invoice><total>3</total></invoice>', "another kind"),
        (b'{"version": "https://jsonfeed.org/version/1"}', "without a list"),
        (b'{"items": []}', "not a JSON Feed"),
        (b"{" * 100_000, "not valid JSON"),
        (b'{"a":' + b"[" * 100_000, "not valid JSON"),
        (b"<!--" * 50_000, "no XML"),
        (b"\n" * 50_000 + b"<rss/>", "no XML"),
    ],
)
def test_parse_anything_else_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotAFeed, match=reason):
        parse_feed(content, "text/xml", URL)


def test_parse_feed_without_entries_is_an_empty_list() -> None:
    assert parse_feed(rss(""), "", URL) == []


FRAGMENTS = st.sampled_from(
    b"<rss> <feed> <item> <entry> <title> </title> <![CDATA[ ]]> <!DOCTYPE &amp; &#x110000; <link>http://[ "
    b"<pubDate> xml:base='//[' <!-- { [ \"items\": \xff\xfe <content/>".split()
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    content=st.one_of(st.binary(max_size=400), st.lists(st.one_of(FRAGMENTS, st.binary(max_size=8))).map(b"".join)),
    content_type=st.one_of(st.just(""), st.text(max_size=30), st.just("text/xml; charset=nonsense")),
)
def test_parse_arbitrary_bytes_gives_items_or_refuses(content: bytes, content_type: str) -> None:
    try:
        items = parse_feed(content, content_type, URL)
    except NotAFeed:
        return
    assert all(item.title and item.url for item in items)


def public_feeds() -> list[Path]:
    folders = [Path(DATASETS) / name for name in ("feedparser_tests", "real_feeds")] if DATASETS else []
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".xml", ".json")]


@pytest.mark.public_data
@pytest.mark.skipif(
    not public_feeds(), reason="BELLWETHER_DATASETS names no folder with feedparser_tests, real_feeds"
)
def test_parse_public_feeds_each_is_read_or_refused() -> None:
    refused = []
    for path in public_feeds():
        try:
            items = parse_feed(path.read_bytes(), "", URL)
        except NotAFeed:
            refused.append(path.name)
        else:
            assert all(item.title and item.url for item in items), path
    real = [path.name for path in public_feeds() if path.parent.name == "real_feeds"]
    assert len(refused) < 0.1 * len(public_feeds())
    assert [name for name in real if name in refused] == ["DuplicateContentAtomFeed.xml"]  # its root is <html>
