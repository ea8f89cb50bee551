"""Storing what was gathered: a real database, a classifier by keyword."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.news import Article, Classification, FeedItem
from app.services.ingestion import canonical_url, content_hash
from app.storage.database import Database
from tests.fakes import ManualClock, classify_articles
from tests.monitoring import Monitoring

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LONG = (
    "Copperline Bank has confirmed that intruders copied customer records while its app was out of service. "
    "The bank had blamed a failed upgrade and says that passwords were not taken by anybody during the incident."
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def parts(database: Database, clock: ManualClock) -> Monitoring:
    return Monitoring(database, clock)


def item(number: int, text: str = "", **changes: Any) -> FeedItem:
    text = text or " ".join(f"word{number}x{i}" for i in range(20))
    return replace(FeedItem(f"https://news.example/{number}", f"Title {number}", text, NOW), **changes)


def test_dates_that_are_missing_or_ahead_become_now(parts: Monitoring) -> None:
    yesterday = NOW - timedelta(days=1)
    dates = [None, NOW + timedelta(days=300), yesterday]
    parts.ingestion.store([item(i, published_at=date) for i, date in enumerate(dates)], None)
    published = {a.title: a.published_at for a in parts.articles.recent()}
    assert published == {"Title 0": NOW, "Title 1": NOW, "Title 2": yesterday}


def test_repeats_are_kept_but_not_counted(parts: Monitoring, clock: ManualClock) -> None:
    other = " ".join(f"different{i}" for i in range(30))
    same = item(2, LONG.upper() + "!!", title="TITLE 1")
    near = item(3, LONG.replace("Copperline Bank", "The Copperline bank"), title="Title 1 (update)")
    counts = parts.ingestion.store([item(1, LONG), same, near, item(4, other)], None)
    assert counts == (2, 2)
    first = next(a for a in parts.articles.recent() if a.url.endswith("/1"))
    repeats = {a.url: a.duplicate_of for a in parts.articles.recent(include_duplicates=True) if a.duplicate_of}
    assert repeats == {same.url: first.id, near.url: first.id}
    assert len(parts.articles.mentions(NOW - timedelta(days=1))) == 2
    again = item(5, LONG + " More soon.", title="Title 1", published_at=NOW + timedelta(days=6))
    clock.advance(days=6)
    assert parts.ingestion.store([again], None) == (0, 1)
    late = item(6, LONG + " More soon, and much later.", title="Title 1", published_at=NOW + timedelta(days=9))
    clock.advance(days=3)
    assert parts.ingestion.store([late], None) == (1, 0), "only the last week is compared"


def test_chinese_repeats_are_recognised(parts: Monitoring) -> None:
    text = (
        "铜线银行今日确认，在手机银行停止服务期间，约四十二万名客户的资料被入侵者复制，监管部门要求其提交完整说明。"
    )
    assert parts.ingestion.store([item(1, text, title="确认"), item(2, f"快讯：{text}", title="确认")], None) == (
        1,
        1,
    )
    assert {a.language for a in parts.articles.recent(include_duplicates=True)} == {"zh"}


def test_one_address_in_many_disguises_is_one_article(parts: Monitoring) -> None:
    disguises = [
        "https://News.Example/1?utm_source=x&fbclid=1",
        "https://news.example/1#top",
        "https://news.example/1",
    ]
    assert parts.ingestion.store([item(i, url=url) for i, url in enumerate(disguises)], None) == (1, 2)
    assert parts.articles.recent()[0].url == "https://news.example/1"


def test_what_a_database_cannot_store_is_left_out(parts: Monitoring) -> None:
    odd = item(1, "Text with \x00 and \ud800 in it", outlet="O" * 500, url="https://news.example/" + "a" * 3000)
    assert parts.ingestion.store([odd], None) == (1, 0)
    article = parts.articles.recent()[0]
    assert article.text == "Text with  and  in it"
    assert len(article.url) == 2000
    assert parts.ingestion.store([odd], None) == (0, 1)


def test_classifier_sees_title_and_text_apart_and_what_decided_is_kept(parts: Monitoring) -> None:
    seen: list[Article] = []

    def recording(articles: Sequence[Article]) -> list[Classification]:
        seen.extend(articles)
        deciding = ("First  this,\nthen that.", "又及。")
        return [replace(reading, deciding=deciding) for reading in classify_articles(articles)]

    parts.ingestion._classify = recording
    parts.ingestion.store([item(1, "word " * 2000)], None)
    assert (seen[0].title, seen[0].text) == ("Title 1", "word " * 2000)
    reading = parts.articles.recent()[0].classification
    assert reading is not None
    assert reading.deciding == ("First this, then that.", "又及。")


def test_two_threads_with_the_same_items_store_each_once(parts: Monitoring) -> None:
    items = [item(i) for i in range(40)]
    results: list[tuple[int, int]] = []
    threads = [
        threading.Thread(target=lambda: results.append(parts.ingestion.store(items, None))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new for new, _ in results) == parts.articles.count() == 40


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://Example.COM/Path?b=2&UTM_Medium=m&a=1#part", "https://example.com/Path?a=1&b=2"),
        ("https://example.com/?b=2&a=1&b=1", "https://example.com/?b=2&a=1&b=1"),
        ("https://example.com/?b&a=1", "https://example.com/?b&a=1"),
        ("https://Example.com.:443/a", "https://example.com/a"),
        ("http://example.com:80", "http://example.com/"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://me:pass@Example.com:443/", "https://me:pass@example.com/"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]:80/"),
        ("https://www.google.com/amp/s/news.example/a/1?amp=1", "https://news.example/a/1"),
        ("https://news-example.cdn.ampproject.org/c/s/news.example/a/1", "https://news.example/a/1"),
        ("https://news-example.cdn.ampproject.org/other", "https://news-example.cdn.ampproject.org/other"),
        ("https://m.example.com/amp/1", "https://m.example.com/amp/1"),
        ("https://example.com/a?outputType=amp&id=3", "https://example.com/a?id=3"),
        ("https://example.com/%e9%93%9c?spm=a.b", "https://example.com/%E9%93%9C"),
        ("https://example.com/?utm_source=x", "https://example.com/"),
        ("https://example.com/feed#0123456789abcdef", "https://example.com/feed#0123456789abcdef"),
        ("https://example.com/#/news/5", "https://example.com/#/news/5"),
        ("https://example.com/a?q=%E9%93%9C", "https://example.com/a?q=%E9%93%9C"),
    ],
)
def test_canonical_url(url: str, expected: str) -> None:
    assert canonical_url(url) == expected
    assert canonical_url(expected) == expected


def test_content_hash_ignores_form_but_not_words() -> None:
    assert content_hash("A  Title!", "Some text.") == content_hash("a title", "SOME — text")
    assert content_hash("a title", "some text") != content_hash("a title some", "text")
