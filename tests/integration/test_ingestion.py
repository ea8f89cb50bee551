"""Ingestion from a web site on loopback into a real database."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.news import Article, Classification, FeedItem
from app.integrations.fetcher import Fetched
from app.services import ingestion as ingestion_module
from app.services.ingestion import canonical_url, content_hash
from app.storage.database import Database
from tests.fakes import ManualClock, classify_articles
from tests.monitoring import Monitoring, Site, burst_items, rss

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


@pytest.fixture
def site() -> Iterator[Site]:
    opened = Site()
    yield opened
    opened.close()


def item(number: int, text: str = "", **changes: Any) -> FeedItem:
    text = text or " ".join(f"word{number}x{i}" for i in range(20))
    return replace(FeedItem(f"https://news.example/{number}", f"Title {number}", text, NOW), **changes)


def test_run_due_stores_a_feed_once(parts: Monitoring, site: Site, clock: ManualClock) -> None:
    source = parts.sources.add("Courier", site.publish("/feed", rss(burst_items(NOW, 5))))
    report = parts.ingestion.run_due()
    assert (report.sources, report.fetched, report.new, report.duplicates, report.errors) == (1, 5, 5, 0, {})
    article = parts.articles.recent()[0]
    assert article.classification is not None
    assert (article.classification.sentiment, article.classification.topic) == ("negative", "cyber")
    assert (article.outlet, article.language, article.source_id) == ("The Test Courier", "en", source.id)
    assert parts.ingestion.run_due().sources == 0, "not due again yet"
    clock.advance(minutes=20)
    report = parts.ingestion.run_due()
    assert (report.sources, report.fetched, report.new) == (1, 0, 0), "not modified"
    state = parts.sources.get(source.id)
    assert (state.last_count, state.last_error, state.last_fetched_at) == (5, "", clock.now)
    site.publish("/feed", rss([*burst_items(NOW, 5), item(6)]))
    clock.advance(minutes=20)
    report = parts.ingestion.run_due()
    assert (report.fetched, report.new, report.duplicates) == (6, 1, 5)
    assert parts.articles.count() == 6


def test_failing_sources_are_recorded_and_never_stop_the_others(parts: Monitoring, site: Site) -> None:
    bad = parts.sources.add("A broken feed", site.publish("/broken", b"<rss><channel>"))
    gone = parts.sources.add("B gone", site.address("/nowhere"))
    good = parts.sources.add("C good", site.publish("/feed", rss([item(1)])))
    report = parts.ingestion.run_due()
    assert set(report.errors) == {"A broken feed", "B gone"}
    assert report.new == 1
    assert "404" in parts.sources.get(gone.id).last_error
    assert parts.sources.get(bad.id).failing_since == NOW
    assert parts.sources.get(good.id).last_error == ""
    site.publish("/broken", rss([item(2)]))
    assert parts.ingestion.run([parts.sources.get(bad.id)]).new == 1
    assert parts.sources.get(bad.id).failing_since is None


def test_unforeseen_error_in_one_source_stays_there(parts: Monitoring, site: Site, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    parts.sources.add("A", site.publish("/a", rss([item(1)])))
    parts.sources.add("B", site.publish("/b", rss([item(2)])))
    read = parts.ingestion.parse_feed

    def parse(content: bytes, content_type: str, url: str) -> list[FeedItem]:
        if url.endswith("/a"):
            raise KeyError("surprise")
        return read(content, content_type, url)

    monkeypatch.setattr(parts.ingestion, "parse_feed", parse)
    report = parts.ingestion.run_due()
    assert report.new == 1
    assert "KeyError" in report.errors["A"]


def test_page_becomes_one_article(parts: Monitoring, site: Site) -> None:
    html = f"<!doctype html><html><head><title>Bank news</title></head><body><p>{LONG}</p></body></html>".encode()
    parts.sources.add("Page", site.publish("/page", html, "text/html"), kind="page")
    parts.sources.add("Auto", site.publish("/auto", html.replace(b"news", b"word"), "text/html"))
    parts.sources.add("Feed only", site.publish("/feed-only", html, "text/html"), kind="feed")
    report = parts.ingestion.run_due()
    assert set(report.errors) == {"Feed only"}
    assert sorted(a.url for a in parts.articles.recent(include_duplicates=True)) == [
        site.address("/auto"),
        site.address("/page"),
    ]


def test_interrupted_visit_is_made_up_for_by_the_next(parts: Monitoring, site: Site, clock: ManualClock) -> None:
    """The classifier dies in the second batch: the first is kept, and the ETag must not hide the rest."""
    source = parts.sources.add("Courier", site.publish("/feed", rss([item(i) for i in range(20)])))
    calls: list[int] = []

    def failing(articles: Sequence[Article]) -> list[Classification]:
        calls.append(len(articles))
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return classify_articles(articles)

    parts.ingestion._classify = failing
    assert parts.ingestion.run_due().errors
    assert parts.articles.count() == 16
    assert all(article.classification for article in parts.articles.recent())
    assert parts.sources.get(source.id).etag == ""
    clock.advance(hours=1)
    assert parts.ingestion.run_due().new == 4
    assert calls == [16, 4, 4]


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
        ("HTTPS://Example.COM/Path?b=2&UTM_Medium=m&a=1#part", "https://example.com/Path?b=2&a=1"),
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


@pytest.mark.parametrize(("content", "html"), [(b"\n<!DOCTYPE html><p>", True), (b"<rss>", False), (b"", False)])
def test_looks_like_html_reads_the_start(content: bytes, html: bool) -> None:
    answer = Fetched("https://x.example", 200, content, "", "", "", False)
    assert ingestion_module._looks_like_html(answer) is html
