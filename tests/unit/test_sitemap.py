"""Sitemaps: of news, ordinary ones, indices, broken and hostile ones."""

from datetime import UTC, datetime

import pytest

from app.domain.errors import NotAFeed
from app.domain.news import FeedItem
from app.integrations.sitemap import is_sitemap, read_sitemap

URL = "https://news.example/sitemap.xml"
NOW = datetime(2024, 5, 2, tzinfo=UTC)
HEAD = (
    '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" '
    'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
)


def sitemap(entries: str) -> bytes:
    return f"{HEAD}{entries}</urlset>".encode()


def test_read_news_sitemap_gives_titles_dates_and_outlet() -> None:
    items, further = read_sitemap(
        sitemap(
            "<url><loc> https://news.example/a </loc>"
            "<image:image><image:loc>https://news.example/a.png</image:loc><image:title>No</image:title></image:image>"
            "<news:news><news:publication><news:name>The Ledger</news:name><news:language>en</news:language>"
            "</news:publication><news:publication_date>2024-05-01T18:00:00+08:00</news:publication_date>"
            "<news:title>Bank &amp; broker  agree</news:title></news:news></url>"
        ),
        URL,
        NOW,
    )
    moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert items == [FeedItem("https://news.example/a", "Bank & broker agree", "", moment, "The Ledger")]
    assert further == ()


def test_read_ordinary_sitemap_gives_recent_pages_newest_first() -> None:
    pages = {"old": "2023-01-01", "first": "2024-04-30", "second": "2024-05-01T12:00:00Z"}
    entries = "".join(f"<url><loc>/{name}</loc><lastmod>{day}</lastmod></url>" for name, day in pages.items())
    entries += "<url><loc>/undated</loc></url><url><loc>javascript:x()</loc></url><url/><!-- x -->"
    items, _ = read_sitemap(sitemap(entries), URL, NOW)
    assert [item.url.rpartition("/")[2] for item in items] == ["second", "first", "undated"]
    assert all(item.title == item.text == "" for item in items)
    assert len(read_sitemap(sitemap(entries), URL, NOW, days=1000)[0]) == 4


def test_read_index_names_the_sitemaps_that_matter() -> None:
    children = {"a": "2024-01-01", "news-2": "2023-01-01", "b": "2024-05-01", "c": "2024-04-01"}
    entries = "".join(
        f"<sitemap><loc>https://news.example/{name}.xml</loc><lastmod>{day}</lastmod></sitemap>"
        for name, day in children.items()
    )
    items, further = read_sitemap(f"<sitemapindex>{entries}</sitemapindex>".encode(), URL, NOW)
    assert items == []
    assert further == tuple(f"https://news.example/{name}.xml" for name in ("news-2", "b", "c"))


def test_read_cut_sitemap_keeps_what_is_there() -> None:
    content = sitemap("<url><loc>/a</loc></url><url><loc>/b</loc></url>")
    items, _ = read_sitemap(content[: content.index(b"/b") - 5], URL, NOW)
    assert [item.url for item in items] == ["https://news.example/a"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"<rss/>", b"plain", b'<!DOCTYPE x [<!ENTITY a "b">]><urlset><url><loc>&a;</loc></url></urlset>'],
)
def test_read_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(NotAFeed, match=URL):
        read_sitemap(content, URL, NOW)
    assert not is_sitemap(content)


def test_is_sitemap_sees_prefixed_roots() -> None:
    assert is_sitemap(b'<?xml version="1.0"?><!-- x --><s:urlset xmlns:s="x"/>')
    assert is_sitemap(sitemap(""))
