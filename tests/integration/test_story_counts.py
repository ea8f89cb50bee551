"""Stories and companies in the database: what is counted once, and for whom."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.news import Article, EntityReading, TrendPoint
from app.domain.watchlist import WatchedCompany
from app.storage.article_rows import NewSketch
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.stories import Sketches, StoredText
from app.storage.watchlist import Watchlist
from tests.integration.test_articles import article, numbers

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def articles(database: Database) -> Articles:
    return Articles(database)


@pytest.fixture
def company(database: Database) -> WatchedCompany:
    return Watchlist(database).add("Copperline Bank", NOW)


def add(articles: Articles, item: Article, now: datetime = NOW, **how: object) -> int:
    added = articles.add(item, now, **how)  # type: ignore[arg-type]
    assert added is not None
    assert added.id is not None
    return added.id


def story(articles: Articles) -> tuple[int, int, int]:
    """Three articles of one story: its beginning, a retelling an hour later, a copy of that in a third outlet."""
    first = add(articles, article(1))
    second = add(articles, replace(article(2, NOW + HOUR), story_id=first, outlet="The Other"))
    third = add(
        articles, replace(article(3, NOW + 2 * HOUR), story_id=first, duplicate_of=second, outlet="The Third")
    )
    return first, second, third


def towards(company: WatchedCompany, sentiment: str = "", probability: float = 0.0) -> EntityReading:
    return EntityReading(company.id, company.name, sentiment, probability)


def copies(articles: Articles, until: datetime | None = None) -> list[tuple[int, int]]:
    return [(m.article_id, m.copies) for m in articles.mentions(NOW - HOUR, until)]


def test_story_is_mentioned_once_with_the_outlets_that_tell_it(articles: Articles) -> None:
    first, _, _ = story(articles)
    other = add(articles, article(4, NOW + HOUR))
    again = replace(article(5, NOW + HOUR), story_id=first, outlet="The Other")
    add(articles, again)
    assert copies(articles) == [(first, 3), (other, 1)]
    assert copies(articles, NOW + 2 * HOUR) == [(first, 2), (other, 1)], "only what was published by then"


def test_story_counts_once_in_trends_and_tables(articles: Articles) -> None:
    story(articles)
    assert articles.trend(NOW, NOW + 24 * HOUR, 24) == [TrendPoint(NOW, negative=1)]
    assert articles.topic_counts(NOW, NOW + 24 * HOUR)["cyber"]["negative"] == 1
    assert numbers(articles.recent()) == [2, 1], "a retelling is listed, a copy is not"


def test_stories_gather_who_tells_them(articles: Articles) -> None:
    first, second, third = story(articles)
    other = add(articles, article(4))
    found = articles.stories([other, third, 999, second])
    assert [(s.first.id, [a.id for a in s.articles], s.copies) for s in found] == [
        (other, [other], 1),
        (first, [first, second, third], 3),
    ]
    assert found[1].outlets == ("The Example", "The Other", "The Third")
    assert articles.stories([]) == []


def test_copy_of_an_older_version_belongs_to_its_original(articles: Articles) -> None:
    first = add(articles, article(1))
    copy = add(articles, replace(article(2), duplicate_of=first))
    assert [a.id for a in articles.stories([copy])[0].articles] == [first, copy]


def test_real_mention_was_seen_when_it_was_stored_and_a_sample_at_once(articles: Articles) -> None:
    add(articles, article(1), NOW + 5 * HOUR)
    add(articles, article(2, NOW + HOUR), NOW + 5 * HOUR, sample=True)
    assert [m.seen_at for m in articles.mentions(NOW)] == [NOW + 5 * HOUR, None]


def test_removed_beginning_or_company_is_left_out_when_an_article_is_stored(
    articles: Articles, company: WatchedCompany, database: Database
) -> None:
    gone = WatchedCompany(company.id + 7, "Gone")
    item = replace(
        article(1), story_id=900, duplicate_of=901, entities=(towards(company, "negative", 0.7), towards(gone))
    )
    stored = articles.add(item, NOW)
    assert stored is not None
    assert (stored.story_id, stored.duplicate_of) == (None, None)
    assert stored.entities == (towards(company, "negative", 0.7),)
    assert articles.recent() == [stored]


def test_entity_mentions_follow_the_sentiment_towards_the_company(
    articles: Articles, company: WatchedCompany
) -> None:
    harmed = add(articles, replace(article(1, sentiment="neutral"), entities=(towards(company, "negative", 0.9),)))
    unknown = add(articles, replace(article(2, NOW + HOUR), entities=(towards(company),)))
    spared = add(articles, replace(article(3, NOW + HOUR), entities=(towards(company, "positive", 0.6),)))
    add(articles, article(4))
    found = articles.entity_mentions(NOW)
    assert [(m.article_id, m.topic, m.negative, m.probability) for m in found] == [
        (harmed, "entity:Copperline Bank", True, 0.9),
        (unknown, "entity:Copperline Bank", True, 0.8),
        (spared, "entity:Copperline Bank", False, 0.6),
    ]
    assert found[0].seen_at == NOW
    assert articles.entity_counts(NOW, NOW + 2 * HOUR) == {
        "Copperline Bank": {"negative": 2, "neutral": 0, "positive": 1}
    }
    assert articles.trend(NOW, NOW + 24 * HOUR, 24, entity="Copperline Bank") == [TrendPoint(NOW, 2, 0, 1)]
    assert articles.trend(NOW, NOW + 24 * HOUR, 24, entity="Nobody") == [TrendPoint(NOW)]
    assert numbers(articles.recent(entity="Copperline Bank")) == [3, 2, 1]


def test_story_counts_for_a_company_from_the_first_article_that_names_it(
    articles: Articles, company: WatchedCompany, database: Database
) -> None:
    other = Watchlist(database).add("Larkmoor Bank", NOW)
    first = add(articles, replace(article(1), entities=(towards(other, "negative", 0.9),)))
    both = (towards(company, "negative", 0.9), towards(other, "negative", 0.9))
    second = add(articles, replace(article(2, NOW + HOUR), story_id=first, outlet="The Other", entities=both))
    found = [(m.topic, m.article_id, m.copies) for m in articles.entity_mentions(NOW)]
    assert found == [("entity:Larkmoor Bank", first, 2), ("entity:Copperline Bank", second, 2)]
    counts = articles.entity_counts(NOW, NOW + 24 * HOUR)
    assert {name: row["negative"] for name, row in counts.items()} == {"Copperline Bank": 1, "Larkmoor Bank": 1}
    assert articles.trend(NOW, NOW + 24 * HOUR, 24, entity="Larkmoor Bank") == [TrendPoint(NOW, negative=1)]


def test_company_that_is_switched_off_or_removed_is_not_counted(
    articles: Articles, company: WatchedCompany, database: Database
) -> None:
    watchlist = Watchlist(database)
    add(articles, replace(article(1), entities=(towards(company, "negative", 0.9),)))
    watchlist.update(company.id, NOW, enabled=False)
    assert articles.entity_mentions(NOW) == []
    assert articles.entity_counts(NOW, NOW + HOUR) == {}
    watchlist.update(company.id, NOW, enabled=True)
    assert len(articles.entity_mentions(NOW)) == 1
    watchlist.remove(company.id, NOW)
    assert articles.entity_mentions(NOW) == []
    assert articles.recent()[0].entities == ()


def test_pages_go_through_all_articles_without_gaps(articles: Articles) -> None:
    for n in range(7):
        add(articles, article(n, NOW + (n // 3) * HOUR))
    seen: list[int] = []
    before = None
    while page := articles.page(NOW, before, 2):
        seen += numbers(page)
        before = (page[-1].published_at, page[-1].id or 0)
    assert sorted(seen) == list(range(7))
    assert len(seen) == 7


def test_set_entity_replaces_what_was_found_before(articles: Articles, company: WatchedCompany) -> None:
    ids = [add(articles, replace(article(n), entities=(towards(company),))) for n in (1, 2, 3)]
    articles.set_entity(company.id, ids[:2], {ids[1]: towards(company, "positive", 0.5), 900: towards(company)})
    named = {a.id: a.entities for a in articles.recent()}
    assert named == {ids[0]: (), ids[1]: (towards(company, "positive", 0.5),), ids[2]: (towards(company),)}


def sketched(articles: Articles, items: Sequence[Article], now: datetime = NOW) -> list[int]:
    return [add(articles, item, now, sketch=NewSketch(b"m%d" % n, b"v", "this")) for n, item in enumerate(items)]


def test_sketches_come_back_with_the_vectors_of_the_same_embedder(articles: Articles, database: Database) -> None:
    sketches = Sketches(database)
    (old,) = sketched(articles, [article(0)], NOW - 10 * HOUR)
    ids = sketched(articles, [article(n) for n in (1, 2, 3)])
    assert sketches.ids(NOW, 0, 10) == ids
    assert sketches.ids(NOW, ids[0], 10) == ids[1:]
    assert sketches.ids(NOW, 0, 2) == ids[1:], "the newest"
    found = list(sketches.load(ids[:1], "this"))
    assert [(s.article_id, s.published_at, s.stored_at, s.sample, s.minhash, s.vector) for s in found] == [
        (ids[0], NOW, NOW, False, b"m0", b"v")
    ]
    assert [s.vector for s in sketches.load(ids, "another")] == [b"", b"", b""]
    assert sketches.forget(NOW) == 1
    assert old not in sketches.ids(NOW - 24 * HOUR, 0, 10)


def test_unsketched_are_originals_only(articles: Articles, database: Database) -> None:
    sketches = Sketches(database)
    first = add(articles, article(1))
    sketched(articles, [article(2)])
    add(articles, replace(article(3), duplicate_of=first))
    assert sketches.unsketched(NOW) == [(first, "Title 1 Text 1")]
    sketches.add([(first, b"m")])
    assert sketches.unsketched(NOW) == []


def test_texts_know_the_beginning_of_their_story(
    articles: Articles, database: Database, company: WatchedCompany
) -> None:
    first, second, _ = story(articles)
    named = add(articles, replace(article(4), entities=(towards(company),)))
    assert Sketches(database).texts([first, second, 999, named]) == {
        first: StoredText(first, "Title 1", "Text 1", first, NOW),
        second: StoredText(second, "Title 2", "Text 2", first, NOW),
        named: StoredText(named, "Title 4", "Text 4", named, NOW, frozenset({company.id})),
    }
