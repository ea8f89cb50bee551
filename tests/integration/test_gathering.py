"""Gathering from a web site on loopback into a real database."""

import gzip
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from app.domain.addresses import canonical_url
from app.domain.errors import LeaseLost
from app.domain.news import Article, Classification, FeedItem, Source
from app.integrations.extraction import detect_language, extract_page
from app.integrations.feeds import parse_feed
from app.integrations.fetcher import Fetched, Fetcher
from app.integrations.folder import LocalFiles
from app.integrations.reading import Reading, read_answer_of
from app.services.article_texts import ArticleTexts
from app.services.entities import Entities
from app.services.gathering import Gathering, pause_after
from app.services.ingestion import Ingestion
from app.services.stories import Stories
from app.storage.articles import Articles
from app.storage.audit import Audit
from app.storage.database import Database, guarded
from app.storage.sources import Sources
from app.storage.stories import Sketches
from app.storage.watchlist import Watchlist
from tests.fakes import ManualClock, classify_articles, classify_towards
from tests.monitoring import Site, burst_items, rss

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LONG = (
    "Copperline Bank has confirmed that intruders copied customer records while its app was out of service. "
    "The bank had blamed a failed upgrade and says that passwords were not taken by anybody during the incident."
)


class Parts:
    """From sources to stored articles, on one database. `waits` are the pauses that the fetcher made."""

    def __init__(self, database: Database, clock: ManualClock, **options: Any) -> None:
        self.database, self.clock, self.waits = database, clock, list[float]()
        self.sources, self.articles = Sources(database), Articles(database)
        entities = Entities(Watchlist(database), self.articles, classify_towards)
        stories = Stories(Sketches(database), self.articles)
        self.ingestion = Ingestion(
            self.articles, parse_feed, detect_language, classify_articles, stories, entities, clock
        )
        self.options = options
        self.gathering = self.build()

    def build(self, pages: int = 20, timeout: float = 5, **options: Any) -> Gathering:
        fetcher = Fetcher(timeout, 1_000_000, allow_private_addresses=True, sleep=self.waits.append)
        texts = ArticleTexts(fetcher, extract_page, self.articles.known_urls, canonical_url, pages)
        return Gathering(self.sources, self.ingestion, fetcher, read_answer_of, texts, self.clock, **options)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def parts(database: Database, clock: ManualClock) -> Parts:
    return Parts(database, clock)


@pytest.fixture
def site() -> Iterator[Site]:
    opened = Site()
    yield opened
    opened.close()


def item(number: int, text: str = "", **changes: Any) -> FeedItem:
    text = text or " ".join(f"word{number}x{i}" for i in range(20))
    return replace(FeedItem(f"https://news.example/{number}", f"Title {number}", text, NOW), **changes)


def test_run_due_stores_a_feed_once(parts: Parts, site: Site, clock: ManualClock) -> None:
    source = parts.sources.add("Courier", site.publish("/feed", rss(burst_items(NOW, 5))))
    report = parts.gathering.run_due()
    assert (report.sources, report.fetched, report.new, report.duplicates, report.errors) == (1, 5, 5, 0, {})
    article = parts.articles.recent()[0]
    assert article.classification is not None
    assert (article.classification.sentiment, article.classification.topic) == ("negative", "cyber")
    assert (article.outlet, article.language, article.source_id) == ("The Test Courier", "en", source.id)
    assert parts.gathering.run_due().sources == 0, "not due again yet"
    clock.advance(minutes=20)
    report = parts.gathering.run_due()
    assert (report.sources, report.fetched, report.new) == (1, 0, 0), "not modified"
    state = parts.sources.get(source.id)
    assert (state.last_count, state.last_error, state.last_fetched_at) == (5, "", clock.now)
    site.publish("/feed", rss([*burst_items(NOW, 5), item(6)]))
    clock.advance(minutes=20)
    report = parts.gathering.run_due()
    assert (report.fetched, report.new, report.duplicates) == (6, 1, 5)
    assert parts.articles.count() == 6


def test_failing_sources_are_recorded_and_never_stop_the_others(parts: Parts, site: Site) -> None:
    bad = parts.sources.add("A broken feed", site.publish("/broken", b"<rss><channel>"))
    gone = parts.sources.add("B gone", site.address("/nowhere"))
    good = parts.sources.add("C good", site.publish("/feed", rss([item(1)])))
    report = parts.gathering.run_due()
    assert set(report.errors) == {"A broken feed", "B gone"}
    assert report.new == 1
    assert "404" in parts.sources.get(gone.id).last_error
    assert parts.sources.get(bad.id).failing_since == NOW
    assert parts.sources.get(good.id).last_error == ""
    site.publish("/broken", rss([item(2)]))
    assert parts.gathering.run([parts.sources.get(bad.id)]).new == 1
    assert parts.sources.get(bad.id).failing_since is None


def test_unforeseen_error_in_one_source_stays_there(parts: Parts, site: Site, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    parts.sources.add("A", site.publish("/a", rss([item(1)])))
    parts.sources.add("B", site.publish("/b", rss([item(2)])))
    read = parts.gathering._read

    def surprising(source: Source, answer: Fetched, now: datetime, limit: int) -> Reading:
        if answer.url.endswith("/a"):
            raise KeyError("surprise")
        return read(source, answer, now, limit)

    monkeypatch.setattr(parts.gathering, "_read", surprising)
    report = parts.gathering.run_due()
    assert report.new == 1
    assert "KeyError" in report.errors["A"]


def test_page_becomes_one_article(parts: Parts, site: Site) -> None:
    html = f"<!doctype html><html><head><title>Bank news</title></head><body><p>{LONG}</p></body></html>".encode()
    parts.sources.add("Page", site.publish("/page", html, "text/html"), kind="page")
    parts.sources.add("Auto", site.publish("/auto", html.replace(b"news", b"word"), "text/html"))
    parts.sources.add("Feed only", site.publish("/feed-only", html, "text/html"), kind="feed")
    report = parts.gathering.run_due()
    assert set(report.errors) == {"Feed only"}
    assert sorted(a.url for a in parts.articles.recent(include_duplicates=True)) == [
        site.address("/auto"),
        site.address("/page"),
    ]


def test_interrupted_visit_is_made_up_for_by_the_next(parts: Parts, site: Site, clock: ManualClock) -> None:
    """The classifier dies in the second batch: the first is kept, and the ETag must not hide the rest."""
    source = parts.sources.add("Courier", site.publish("/feed", rss([item(i) for i in range(20)])))
    calls: list[int] = []

    def failing(articles: Sequence[Article]) -> list[Classification]:
        calls.append(len(articles))
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return classify_articles(articles)

    parts.ingestion._classify = failing
    assert parts.gathering.run_due().errors
    assert parts.articles.count() == 16
    assert all(article.classification for article in parts.articles.recent())
    assert parts.sources.get(source.id).etag == ""
    clock.advance(hours=1)
    assert parts.gathering.run_due().new == 4
    assert calls == [16, 4, 4]


STORY = "Copperline Bank said on Monday that its mobile service had been restored after a night of failures. "


def article_page(number: int, head: str = "") -> bytes:
    text = f"<p>{STORY * 3}</p><p>" + " ".join(f"word{number}x{i}" for i in range(30)) + "</p>"
    body = f"<html><head><title>Story {number}</title>{head}</head><body><article>{text}</article></body></html>"
    return body.encode()


def publish_pages(site: Site, count: int) -> None:
    for number in range(count):
        site.publish(f"/story/{number}", article_page(number), "text/html")


def test_list_page_gives_articles_with_the_texts_of_their_pages(parts: Parts, site: Site) -> None:
    publish_pages(site, 3)
    links = "".join(f'<li><a href="/story/{number}">Headline {number}</a></li>' for number in range(3))
    url = site.publish("/news", f"<html><body><ul>{links}</ul></body></html>".encode(), "text/html")
    parts.sources.add("Regulator", url, "list", options={"selector": "li a"})
    report = parts.gathering.run_due()
    assert (report.fetched, report.new, report.errors) == (3, 3, {})
    stored = parts.articles.recent()
    assert {article.title for article in stored} == {f"Headline {number}" for number in range(3)}
    assert all("restored after a night" in article.text for article in stored)
    site.requests.clear()
    parts.clock.advance(hours=1)
    assert parts.gathering.run_due().new == 0
    assert site.requests == ["/news"], "known pages are not fetched again"


def test_pages_beyond_the_limit_of_a_visit_come_with_the_next(parts: Parts, site: Site) -> None:
    publish_pages(site, 5)
    entries = "".join(f"<url><loc>{site.address(f'/story/{number}')}</loc></url>" for number in range(5))
    parts.sources.add("Map", site.publish("/map.xml", f"<urlset>{entries}</urlset>".encode()), "sitemap")
    gathering = parts.build(pages=2)
    counts = []
    for _ in range(4):
        counts.append(gathering.run_due().new)
        parts.clock.advance(hours=1)
    assert counts == [2, 2, 1, 0], "an ETag must not hide what was left"
    assert {article.title for article in parts.articles.recent()} == {f"Story {number}" for number in range(5)}


def test_sitemap_index_and_packed_sitemap_are_followed(parts: Parts, site: Site) -> None:
    publish_pages(site, 1)
    child = gzip.compress(f"<urlset><url><loc>{site.address('/story/0')}</loc></url></urlset>".encode())
    good, bad = site.publish("/news.xml.gz", child, "application/gzip"), site.address("/nowhere.xml")
    index = f"<sitemapindex><sitemap><loc>{good}</loc></sitemap><sitemap><loc>{bad}</loc></sitemap></sitemapindex>"
    parts.sources.add("Index", site.publish("/sitemap.xml", index.encode()))
    report = parts.gathering.run_due()
    assert (report.new, report.errors) == (1, {})


def test_packed_bomb_is_refused(parts: Parts, site: Site) -> None:
    bomb = gzip.compress(b"<urlset>" + bytes(20_000_000))
    parts.sources.add("Bomb", site.publish("/sitemap.xml.gz", bomb, "application/gzip"), "sitemap")
    assert "larger than 1,000,000 bytes" in parts.gathering.run_due().errors["Bomb"]


def test_json_source_is_read_by_its_mapping(parts: Parts, site: Site) -> None:
    site.publish("/story/0", article_page(0), "text/html")
    articles = [
        {"url": site.address("/story/0"), "title": "With a page", "seendate": "20260301T080000Z"},
        {"url": site.address("/gone"), "title": "Without one", "seendate": "20260301T090000Z"},
    ]
    url = site.publish("/api", json.dumps({"articles": articles}).encode(), "application/json")
    parts.sources.add("GDELT", url, "json", options={"mapping": "gdelt"})
    assert parts.gathering.run_due().new == 2
    texts = {article.title: article.text for article in parts.articles.recent()}
    assert "restored" in texts["With a page"]
    assert texts["Without one"] == "", "a page that is gone leaves the title"
    assert parts.articles.recent()[0].published_at == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_page_that_is_away_is_waited_for_and_given_up_at_last(parts: Parts, site: Site) -> None:
    site.publish("/story/0", b"", status=503)
    entry = f"<url><loc>{site.address('/story/0')}</loc><title>Told anyway</title></url>"
    parts.sources.add("Map", site.publish("/map.xml", f"<urlset>{entry}</urlset>".encode()), "sitemap")
    news = []
    for _ in range(3):
        news.append(parts.gathering.run_due().new)
        parts.clock.advance(hours=1)
    assert news == [0, 0, 1]
    assert parts.articles.recent()[0].title == "Told anyway"


def test_pages_that_robots_txt_forbids_are_left_unless_allowed(parts: Parts, site: Site) -> None:
    site.publish("/robots.txt", b"User-agent: *\nDisallow: /", "text/plain")
    url = site.publish("/feed", rss([item(1)]))
    source = parts.sources.add("Forbidden", url)
    assert "robots.txt" in parts.gathering.run_due().errors["Forbidden"]
    parts.sources.remove(source.id)
    parts.sources.add("With leave", url, options={"ignore_robots": True})
    assert parts.gathering.run_due().new == 1


def test_feed_with_teasers_gets_full_texts_where_it_is_asked_for(parts: Parts, site: Site) -> None:
    site.publish("/story/0", article_page(0), "text/html")
    teaser = item(0, "Only a teaser.", url=site.address("/story/0"))
    parts.sources.add("Teasers", site.publish("/feed", rss([teaser])), options={"full_text": True})
    assert parts.gathering.run_due().new == 1
    assert "restored" in parts.articles.recent()[0].text


def test_local_times_of_a_source_become_utc(parts: Parts, site: Site) -> None:
    entry = "<item><title>T</title><pubDate>2026-03-01 18:00:00</pubDate></item>"
    url = site.publish("/feed", f"<rss version='2.0'><channel>{entry}</channel></rss>".encode())
    parts.sources.add("Shanghai", url, options={"time_zone": "Asia/Shanghai"})
    parts.gathering.run_due()
    assert parts.articles.recent()[0].published_at == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_article_without_a_date_takes_that_of_its_page(parts: Parts, site: Site) -> None:
    head = '<meta property="article:published_time" content="2026-03-01T08:00:00+08:00">'
    site.publish("/story/0", article_page(0, head), "text/html")
    url = site.publish("/news", b"<html><body><a href='/story/0'>Headline</a></body></html>", "text/html")
    parts.sources.add("List", url, "list", options={"selector": "a"})
    parts.gathering.run_due()
    assert parts.articles.recent()[0].published_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_slow_source_does_not_hold_up_the_others(parts: Parts, site: Site) -> None:
    """The slow visit goes on in the background; it is not begun twice, and counts when it has ended."""
    go_on, read = threading.Event(), read_answer_of

    def slow(source: Source, answer: Fetched, now: datetime, limit: int) -> Reading:
        if source.name == "Slow":
            go_on.wait(10)
        return read(source, answer, now, limit)

    gathering = parts.build(patience_seconds=1.0)
    gathering._read = slow
    parts.sources.add("Slow", site.publish("/slow", rss([item(1)])))
    parts.sources.add("Quick", site.publish("/quick", rss([item(2)])))
    report = gathering.run_due()
    assert (report.sources, report.new) == (1, 1)
    assert gathering.run_due().sources == 0
    assert site.requests.count("/slow") == 1
    go_on.set()
    gathering._under_way[parts.sources.list()[1].id].result(10)
    report = gathering.run_due()
    assert (report.sources, report.new) == (1, 1)
    assert parts.articles.count() == 2


def test_close_begins_no_visit_and_waits_for_those_under_way(parts: Parts, site: Site) -> None:
    parts.sources.add("A", site.publish("/a", rss([item(1)])))
    parts.gathering.close()
    assert parts.gathering.run_due().new == 0
    assert site.requests == []


def test_circuit_breaker_spaces_the_visits_and_says_since_when(parts: Parts, site: Site) -> None:
    source = parts.sources.add("Gone", site.address("/nowhere"))
    visits = []
    for minute in range(0, 12 * 60, 15):
        parts.clock.now = NOW + timedelta(minutes=minute)
        if parts.gathering.run_due().sources:
            visits.append(minute)
    assert visits == [0, 15, 30, 45, 75, 135, 255, 495]
    failing = parts.sources.get(source.id)
    assert (failing.failures, failing.failing_since) == (8, NOW)
    assert "404" in failing.last_error
    assert failing.next_visit_at == NOW + timedelta(minutes=495) + timedelta(minutes=15 * 32)
    site.publish("/nowhere", rss([item(1)]))
    assert parts.gathering.run([failing]).new == 1, "run now asks at once"
    healed = parts.sources.get(source.id)
    assert (healed.failures, healed.failing_since, healed.last_error) == (0, None, "")
    parts.clock.advance(minutes=15)
    assert parts.gathering.run_due().sources == 1


@pytest.mark.parametrize(
    ("failures", "asked", "hours"),
    [(0, None, 0.25), (2, None, 0.25), (3, None, 0.5), (0, 7200, 2), (5, 60, 2), (40, None, 24), (0, 10**9, 24)],
)
def test_pause_after_failures_grows_and_is_bounded(failures: int, asked: float | None, hours: float) -> None:
    source = Source(1, "A", "https://a.example", failures=failures)
    assert pause_after(source, asked) == timedelta(hours=hours)


def test_server_that_asks_for_a_pause_gets_it(parts: Parts, site: Site) -> None:
    source = parts.sources.add("Busy", site.publish("/feed", b"", status=429))
    site.headers["/feed"] = {"Retry-After": "7200"}
    assert "come back in 7200 s" in parts.gathering.run_due().errors["Busy"]
    assert parts.waits == []
    assert parts.sources.get(source.id).next_visit_at == NOW + timedelta(hours=2)


def test_answer_that_is_still_fresh_is_not_asked_for(parts: Parts, site: Site) -> None:
    parts.sources.add("Hourly", site.publish("/feed", rss([item(1)])))
    site.headers["/feed"] = {"Cache-Control": "max-age=3600"}
    assert parts.gathering.run_due().new == 1
    parts.clock.advance(minutes=59)
    assert parts.gathering.run_due().sources == 0
    parts.clock.advance(minutes=1)
    assert parts.gathering.run_due().sources == 1


def test_folder_gives_what_came_since_the_last_visit(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_bytes(rss([item(1)]))
    rows = [{"title": f"Row {n}", "text": " ".join(f"r{n}w{i}" for i in range(20))} for n in range(2)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "notes.bin").write_bytes(b"\0")
    parts.sources.add("Drop", tmp_path.as_uri(), "folder")
    gathering = parts.build(files=LocalFiles(folders=(tmp_path,)))
    assert gathering.run_due().new == 3
    parts.clock.advance(hours=1)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "note.txt").write_text("Bank fined\n\nThe regulator fined Copperline Bank.")
    assert gathering.run_due().new == 1
    assert parts.articles.count() == 4


def test_folder_with_a_bad_file_keeps_the_good_ones_and_names_it(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"title": "A", "text": "b"}\nnot json\n{}\n')
    (tmp_path / "b.xml").write_bytes(rss([item(1)]))
    parts.sources.add("Drop", tmp_path.as_uri(), "folder")
    gathering = parts.build(files=LocalFiles(everywhere=True))
    assert "a.jsonl, line 2" in gathering.run_due().errors["Drop"]
    assert parts.articles.count() == 1


def test_files_are_refused_where_the_operator_did_not_allow_them(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.xml").write_bytes(rss([item(1)]))
    (tmp_path / "in" / "link.xml").symlink_to(tmp_path / "secret.xml")
    parts.sources.add("Outside", tmp_path.as_uri(), "folder")
    parts.sources.add("Inside", (tmp_path / "in").as_uri(), "folder")
    assert set(parts.gathering.run_due().errors) == {"Outside", "Inside"}
    gathering = parts.build(files=LocalFiles(folders=(tmp_path / "in",)))
    report = gathering.run(parts.sources.list())
    assert "BELLWETHER_SOURCE_FOLDERS" in report.errors["Outside"]
    assert set(report.errors) == {"Outside"}
    assert parts.articles.count() == 0, "a link must not lead out of the folder"


def test_visits_write_under_the_lease_of_their_job(parts: Parts, site: Site) -> None:
    """The threads of the visits carry the check of the caller, and stop when the lease is lost."""
    parts.sources.add("A", site.publish("/a", rss([item(1)])))

    def lost(_session: Any) -> None:
        raise LeaseLost("another process took over")

    with guarded(lost), pytest.raises(LeaseLost):
        parts.gathering.run_due()
    assert parts.articles.count() == 0
    assert parts.gathering.run_due().new == 1, "nothing was recorded that would hide the source"


def test_changes_of_sources_are_recorded(parts: Parts) -> None:
    source = parts.sources.add("A", "https://a.example/feed", by="ada")
    parts.sources.set_enabled(source.id, False, "ada")
    parts.sources.remove(source.id, "ben")
    entries = Audit(parts.database).entries("source", source.id)
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("ben", "remove"),
        ("ada", "pause"),
        ("ada", "add"),
    ]


def public_feeds() -> list[Path]:
    root = os.environ.get("BELLWETHER_DATASETS", "")
    folders = [Path(root) / name for name in ("feedparser_tests", "real_feeds")] if root else []
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".xml", ".json")]


@pytest.mark.public_data
@pytest.mark.skipif(
    not public_feeds(), reason="BELLWETHER_DATASETS names no folder with feedparser_tests, real_feeds"
)
def test_run_over_public_feeds_reads_or_refuses_each(parts: Parts, site: Site) -> None:
    for path in public_feeds():
        name = "/".join(path.parts[-3:])
        parts.sources.add(name, site.publish(f"/{quote(name)}", path.read_bytes(), "application/xml"), "feed")
    report = parts.gathering.run_due()
    assert report.sources == len(public_feeds())
    assert not [reason for reason in report.errors.values() if "Unexpected" in reason]
    assert len(report.errors) < 0.1 * report.sources
    assert report.new > 150
