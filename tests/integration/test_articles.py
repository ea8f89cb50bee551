"""Articles: what is stored, found and counted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.domain.alerts import Alert, Notice
from app.domain.errors import InvalidInput
from app.domain.news import Article, Classification, Sentiment, TrendPoint
from app.domain.spikes import Mention
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.outbox import Outbox
from app.storage.sources import Sources
from app.storage.tables import ArticleRow, ArticleTopicRow

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def articles(database: Database) -> Articles:
    return Articles(database)


@pytest.fixture
def sources(database: Database) -> Sources:
    return Sources(database)


def reading(sentiment: str = "negative", topic: str = "cyber") -> Classification:
    scores = {label.value: 0.8 if label == sentiment else 0.1 for label in Sentiment}
    return Classification(Sentiment(sentiment), scores, topic, {topic: 0.75, "other": 0.25})


def article(number: int, at: datetime = NOW, sentiment: str = "negative", topic: str = "cyber") -> Article:
    return Article(
        url=f"https://news.example/{number}",
        title=f"Title {number}",
        text=f"Text {number}",
        published_at=at,
        language="en",
        content_hash=f"{number:064x}",
        outlet="The Example",
        classification=reading(sentiment, topic),
    )


def stored(articles: Articles, item: Article, **how: Any) -> int:
    added = articles.add(item, NOW, **how)
    assert added is not None
    assert added.id is not None
    return added.id


def numbers(found: Sequence[Article]) -> list[int]:
    return [int(item.url.rsplit("/", 1)[1]) for item in found]


def test_remove_source_keeps_its_articles(sources: Sources, articles: Articles) -> None:
    source = sources.add("Example", "https://news.example/")
    stored(articles, replace(article(1), source_id=source.id))
    sources.remove(source.id)
    assert sources.list() == []
    assert [a.source_id for a in articles.recent()] == [None]


def test_add_article_gives_back_the_same_article(articles: Articles, sources: Sources) -> None:
    source = sources.add("Example", "https://news.example/")
    item = replace(article(1), title="雀原银行系统中断", language="zh", source_id=source.id)
    added = articles.add(item, NOW)
    assert added is not None
    assert added == replace(item, id=added.id)
    assert articles.recent() == [added]
    assert articles.count() == 1


def test_add_article_with_a_known_address_changes_nothing(articles: Articles) -> None:
    stored(articles, article(1))
    assert articles.add(replace(article(1), title="Other"), NOW) is None
    assert [a.title for a in articles.recent()] == ["Title 1"]


def test_add_article_of_a_removed_source_is_kept_without_it(articles: Articles) -> None:
    added = articles.add(replace(article(1), source_id=99), NOW)
    assert added is not None
    assert added.source_id is None


def test_add_article_with_an_endless_address_is_invalid(articles: Articles) -> None:
    with pytest.raises(InvalidInput, match="longer than 2000"):
        articles.add(replace(article(1), url="https://a.example/" + "x" * 2000), NOW)


def test_add_article_without_a_classification_is_not_counted(articles: Articles) -> None:
    stored(articles, replace(article(1), classification=None))
    assert articles.recent()[0].classification is None
    assert articles.mentions(NOW - HOUR) == []
    assert articles.topic_counts(NOW - HOUR, NOW + HOUR) == {}


def test_known_urls_are_found_among_very_many(articles: Articles) -> None:
    stored(articles, article(1))
    stored(articles, article(1500))
    asked = (f"https://news.example/{n}" for n in range(2000))
    assert articles.known_urls(asked) == {"https://news.example/1", "https://news.example/1500"}
    assert articles.known_urls([]) == set()


def test_find_hash_names_the_original(articles: Articles) -> None:
    first = stored(articles, article(1))
    stored(articles, replace(article(2), duplicate_of=first))
    assert articles.find_hash(article(1).content_hash) == first
    assert articles.find_hash(article(2).content_hash) == first
    assert articles.find_hash("f" * 64) is None


def test_recent_is_newest_first_and_paged(articles: Articles) -> None:
    for n in (2, 5, 1, 4, 3):
        stored(articles, article(n, NOW + n * HOUR))
    assert numbers(articles.recent()) == [5, 4, 3, 2, 1]
    assert numbers(articles.recent(limit=2, offset=1)) == [4, 3]


def test_recent_filters_by_every_condition(articles: Articles) -> None:
    stored(articles, article(1, NOW, "negative", "cyber"))
    stored(articles, article(2, NOW + HOUR, "positive", "cyber"))
    stored(articles, article(3, NOW + 2 * HOUR, "negative", "deals"))
    stored(articles, replace(article(4, NOW + 3 * HOUR, "negative", "deals"), language="zh"))
    assert numbers(articles.recent(topic="cyber")) == [2, 1]
    assert numbers(articles.recent(sentiment="negative", topic="deals")) == [4, 3]
    assert numbers(articles.recent(language="zh")) == [4]
    assert numbers(articles.recent(since=NOW + HOUR, until=NOW + 3 * HOUR)) == [3, 2]


def test_recent_leaves_duplicates_out_unless_asked(articles: Articles) -> None:
    first = stored(articles, article(1))
    stored(articles, replace(article(2), duplicate_of=first))
    assert numbers(articles.recent()) == [1]
    assert sorted(numbers(articles.recent(include_duplicates=True))) == [1, 2]


def test_recent_search_takes_words_in_any_order_and_letters_as_they_are(articles: Articles) -> None:
    stored(articles, replace(article(1), title="Larkmoor outage", text="Profit fell 5% today"))
    stored(articles, replace(article(2), title="雀原银行系统中断", text="客户无法付款"))
    stored(articles, replace(article(3), title="Larkmoor hires", text="500 people"))
    assert numbers(articles.recent(search="OUTAGE larkmoor")) == [1]
    assert numbers(articles.recent(search="5%")) == [1]
    assert numbers(articles.recent(search="系统中断")) == [2]
    assert numbers(articles.recent(search="_")) == []
    assert numbers(articles.recent(search="\x00'; --")) == []


def test_by_ids_keeps_the_order_asked_for(articles: Articles) -> None:
    one, two, three = (stored(articles, article(n)) for n in (1, 2, 3))
    assert numbers(articles.by_ids([three, one, 999, two])) == [3, 1, 2]
    assert articles.by_ids([]) == []


def test_mentions_are_originals_of_the_span_in_order(articles: Articles) -> None:
    late = stored(articles, article(1, NOW + HOUR, "neutral", "deals"))
    early = stored(articles, article(2, NOW))
    stored(articles, replace(article(3, NOW), duplicate_of=early))
    stored(articles, article(4, NOW - HOUR))
    stored(articles, article(5, NOW + 2 * HOUR))
    assert articles.mentions(NOW, NOW + 2 * HOUR) == [
        Mention(NOW, "cyber", True, early, probability=0.8, seen_at=NOW),
        Mention(NOW + HOUR, "deals", False, late, probability=0.8, seen_at=NOW),
    ]


def of_two_topics(number: int, at: datetime = NOW) -> Article:
    """Mostly cyber, and customers hold beside it; labour does not."""
    both = replace(reading(), topic_scores={"customers": 0.3, "cyber": 0.5, "labour": 0.2})
    return replace(article(number, at), classification=both)


def test_article_counts_under_every_topic_that_holds(articles: Articles) -> None:
    both = stored(articles, of_two_topics(1))
    alone = stored(articles, article(2, NOW + HOUR))
    assert numbers(articles.recent(topic="customers")) == [1]
    assert numbers(articles.recent(topic="cyber")) == [2, 1]
    assert articles.recent(topic="labour") == []
    assert articles.mentions(NOW) == [
        Mention(NOW, "cyber", True, both, ("customers",), 0.8, NOW),
        Mention(NOW + HOUR, "cyber", True, alone, (), 0.8, NOW),
    ]
    assert articles.trend(NOW, NOW + 24 * HOUR, 24, "customers") == [TrendPoint(NOW, negative=1)]
    assert articles.trend(NOW, NOW + 24 * HOUR, 24) == [TrendPoint(NOW, negative=2)]
    counts = articles.topic_counts(NOW, NOW + 24 * HOUR)
    assert {topic: row["negative"] for topic, row in counts.items()} == {"cyber": 2, "customers": 1}


def test_mentions_of_a_sample_know_their_other_topics(articles: Articles) -> None:
    stored(articles, of_two_topics(1), sample=True)
    stored(articles, of_two_topics(2))
    assert [m.topics for m in articles.mentions(NOW, sample=True)] == [("cyber", "customers")]


def test_topics_go_with_their_article(articles: Articles, database: Database) -> None:
    stored(articles, of_two_topics(1), sample=True)
    stored(articles, of_two_topics(2))
    articles.remove_sample()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ArticleTopicRow)) == 2


def test_deciding_excerpts_come_back_one_by_one(articles: Articles) -> None:
    quotes = ("Shares fell\nafter it.", "客户无法付款。")
    stored(articles, replace(article(1), classification=replace(reading(), deciding=quotes)))
    found = articles.recent()[0].classification
    assert found is not None
    assert found.deciding == ("Shares fell after it.", "客户无法付款。")


def test_mentions_tell_sample_from_real(articles: Articles) -> None:
    real, sample = stored(articles, article(1)), stored(articles, article(2), sample=True)
    assert [m.article_id for m in articles.mentions(NOW, sample=False)] == [real]
    assert [m.article_id for m in articles.mentions(NOW, sample=True)] == [sample]
    assert len(articles.mentions(NOW)) == 2


def test_trend_counts_each_span_and_keeps_empty_ones(articles: Articles) -> None:
    since = NOW - 12 * HOUR
    moments = [since, since + 6 * HOUR - timedelta(milliseconds=1), since + 6 * HOUR, since + 23 * HOUR]
    for n, (at, sentiment) in enumerate(zip(moments, ["negative", "neutral", "negative", "positive"], strict=True)):
        stored(articles, article(n, at, sentiment, "deals" if n == 3 else "cyber"))
    stored(articles, article(8, since - timedelta(microseconds=1)))
    stored(articles, article(9, since + 24 * HOUR))
    assert articles.trend(since, since + 24 * HOUR, 6) == [
        TrendPoint(since, 1, 1, 0),
        TrendPoint(since + 6 * HOUR, 1, 0, 0),
        TrendPoint(since + 12 * HOUR),
        TrendPoint(since + 18 * HOUR, 0, 0, 1),
    ]
    assert articles.trend(since, since + 24 * HOUR, 24, "cyber") == [TrendPoint(since, 2, 1, 0)]


def test_trend_with_an_odd_beginning_loses_nothing(articles: Articles) -> None:
    since = NOW + timedelta(microseconds=700_000)
    stored(articles, article(1, since))
    stored(articles, article(2, since + timedelta(hours=1, microseconds=-1)))
    points = articles.trend(since, since + HOUR, 1)
    assert points == [TrendPoint(NOW, negative=2)]


def test_topic_counts_have_every_sentiment(articles: Articles) -> None:
    for n, (sentiment, topic) in enumerate([("negative", "cyber"), ("negative", "cyber"), ("positive", "deals")]):
        stored(articles, article(n, NOW, sentiment, topic))
    assert articles.topic_counts(NOW, NOW + HOUR) == {
        "cyber": {"negative": 2, "neutral": 0, "positive": 0},
        "deals": {"negative": 0, "neutral": 0, "positive": 1},
    }


def test_remove_sample_leaves_what_is_real(database: Database, sources: Sources, articles: Articles) -> None:
    sources.add("Sample", "file:///sample.xml", sample=True)
    real_source = sources.add("Real", "https://news.example/")
    sample = stored(articles, article(1), sample=True)
    stored(articles, replace(article(2), duplicate_of=sample, source_id=real_source.id))
    alerts, outbox = Alerts(database), Outbox(database)
    finding = Alert("cyber", NOW, NOW, "low", 5, 1.0, 1e-5, 3)
    for at, is_sample in ((NOW, True), (NOW + HOUR, False)):
        alerts.create(
            replace(finding, detected_at=at),
            [Notice("alert", ["a@example.com"])],
            NOW,
            "example.com",
            sample=is_sample,
        )
    assert articles.remove_sample() == 1
    assert [s.name for s in sources.list()] == ["Real"]
    assert [(a.duplicate_of, a.source_id) for a in articles.recent()] == [(None, real_source.id)]
    assert [a.detected_at for a in alerts.list()] == [NOW + HOUR]
    assert outbox.counts()["pending"] == 1


def test_topic_trends_are_the_trend_of_each_topic(articles: Articles) -> None:
    stored(articles, article(1, NOW + HOUR, "neutral", "deals"))
    stored(articles, article(2, NOW + 7 * HOUR))
    stored(articles, replace(article(3, NOW + 2 * HOUR), duplicate_of=1))
    span = (NOW, NOW + 24 * HOUR, 6)
    assert articles.topic_trends(*span) == {topic: articles.trend(*span, topic) for topic in ("cyber", "deals")}
    assert articles.topic_trends(NOW - 24 * HOUR, NOW, 6) == {}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("side", [2, 1]),  # within a word
        ("ide hAr", [1]),
        ("é", [3]),
        ("café", [3]),
        ("CAFé", [3]),
        ('"quoted"', [3]),
        ("AND OR NOT", []),
        ("泄", [4]),
        ("泄露", [4]),
        ("数据泄露事", [4]),
        ("露泄", []),
        ("泄漏", []),
        ("5 %", [3]),
        ("事件abc", [4]),
        ("カタ", [4]),
        ("a" * 60, [5]),
    ],
)
def test_recent_search_finds_pieces_of_words_in_any_script(
    articles: Articles, search: str, found: list[int]
) -> None:
    texts = ["Harbourside", "Quayside", 'A café "quoted" AND 5 % off', "数据泄露事件abc カタカナ", "a" * 99]
    for number, text in enumerate(texts, 1):
        stored(articles, replace(article(number, NOW - number * HOUR), title="Title", text=text))
    assert sorted(numbers(articles.recent(search=search))) == sorted(found)


def test_search_follows_what_is_removed_and_added_again(articles: Articles, database: Database) -> None:
    articles.add(replace(article(1), title="Xylophone"), NOW, sample=True)
    articles.remove_sample()
    stored(articles, replace(article(2), title="Marimba"))
    assert numbers(articles.recent(search="xylophone")) == []
    assert numbers(articles.recent(search="marimba")) == [2]
    with database.session() as session:  # past the index, as an import by hand might
        session.add(ArticleRow(id=77, url="u", title="Celesta", text="", language="en", published_at=NOW,
                               stored_at=NOW, content_hash="h", sample=True))  # fmt: skip
    assert articles.remove_sample() == 1
