"""Sources: what is accepted, when it is due, and how its visits went."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.news import Source
from app.storage.database import Database
from app.storage.sources import Sources

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def sources(database: Database) -> Sources:
    return Sources(database)


def test_add_source_returns_it_with_its_defaults(sources: Sources) -> None:
    added = sources.add("Example", " https://news.example/feed.xml ")
    assert added == Source(added.id, "Example", "https://news.example/feed.xml")
    assert sources.get(added.id) == added
    assert sources.list() == [added]


def test_add_source_without_a_name_takes_the_host(sources: Sources) -> None:
    assert sources.add(" ", "https://news.example/feed.xml").name == "news.example"


def test_add_source_twice_is_a_conflict(sources: Sources) -> None:
    sources.add("Example", "https://news.example/feed.xml")
    with pytest.raises(Conflict, match="already on the list"):
        sources.add("Again", "https://news.example/feed.xml")


@pytest.mark.parametrize(
    "url",
    ["", "news.example", "ftp://news.example/", "javascript:alert(1)", "https://", "http://[::1", "http://a b/"],
)
def test_add_source_refuses_an_unusable_address(sources: Sources, url: str) -> None:
    with pytest.raises(InvalidInput, match="address"):
        sources.add("Example", url)
    assert sources.list() == []


def test_add_source_refuses_other_unusable_values(sources: Sources) -> None:
    with pytest.raises(InvalidInput, match="auto, feed, page, sitemap, list, json, folder, push"):
        sources.add("Example", "https://a.example/", kind="paper")
    with pytest.raises(InvalidInput, match="interval"):
        sources.add("Example", "https://a.example/", interval_minutes=0)
    with pytest.raises(InvalidInput, match="longer"):
        sources.add("Example", "https://a.example/" + "x" * 2000)


def test_add_source_takes_a_file(sources: Sources) -> None:
    assert sources.add("Sample", "file:///data/feed.xml", sample=True).sample


def test_source_that_is_not_there_is_not_found(sources: Sources) -> None:
    with pytest.raises(NotFound):
        sources.get(9)
    with pytest.raises(NotFound):
        sources.set_enabled(9, False)
    with pytest.raises(NotFound):
        sources.remove(9)
    sources.record_success(9, NOW, 3)
    sources.record_failure(9, NOW, "gone")


def test_source_is_due_when_its_interval_has_passed(sources: Sources) -> None:
    source = sources.add("Example", "https://news.example/", interval_minutes=15)
    assert sources.due(NOW) == [source]
    sources.record_success(source.id, NOW, 3)
    assert sources.due(NOW + timedelta(minutes=14)) == []
    assert [s.id for s in sources.due(NOW + timedelta(minutes=15))] == [source.id]
    sources.set_enabled(source.id, False)
    assert sources.due(NOW + timedelta(days=1)) == []


def test_source_remembers_how_its_visits_went(sources: Sources) -> None:
    source = sources.add("Example", "https://news.example/")
    sources.record_failure(source.id, NOW, "timed out")
    sources.record_failure(source.id, NOW + HOUR, "status 500")
    failing = sources.get(source.id)
    assert failing == replace(
        source, last_fetched_at=NOW + HOUR, last_error="status 500", failing_since=NOW, failures=2
    )
    sources.record_success(source.id, NOW + 2 * HOUR, 7, '"v1"', "Mon, 02 Mar 2026 09:30:00 GMT")
    assert sources.get(source.id) == replace(
        source,
        last_fetched_at=NOW + 2 * HOUR,
        last_count=7,
        etag='"v1"',
        last_modified="Mon, 02 Mar 2026 09:30:00 GMT",
    )
