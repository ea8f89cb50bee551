"""Counts of articles: mentions for the detector, trends and tables for people. All of them count stories."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Label, Select, extract, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from app.domain.news import Sentiment, TrendPoint
from app.domain.spikes import Mention
from app.storage.article_rows import (
    BEGINS,
    ORIGINAL,
    STORY,
    TOWARDS,
    TOWARDS_PROBABILITY,
    counted,
    on_topic,
    published,
)
from app.storage.database import Database
from app.storage.tables import ArticleEntityRow, ArticleRow, ArticleTopicRow, EntityRow

ENTITY = "entity:"  # begins the key of a company's series
# What a mention tells besides its series and sentiment.
_NEGATIVE = Sentiment.NEGATIVE.value
_BESIDES = (
    ArticleRow.id,
    STORY.label("story"),
    ArticleRow.published_at,
    ArticleRow.stored_at,
    ArticleRow.sample,
    ArticleRow.outlet,
)


class ArticleStatistics:
    """What is counted. A story counts once, by the article that began it, however many articles tell it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mentions(self, since: datetime, until: datetime | None = None, sample: bool | None = None) -> list[Mention]:
        """Classified stories in order of publication; only the sample's, only others, or all (None).

        `copies` are the outlets that have told a story in the span. A real article has been seen when it was
        stored; the sample's seem to have come as they were published.
        """
        row = ArticleRow
        wanted = [*counted(since, until), *_of(sample)]
        query = select(row.sentiment, row.probability, *_BESIDES, row.topic).where(*wanted)
        beside = select(ArticleTopicRow.article_id, ArticleTopicRow.topic).join(ArticleRow)
        beside = beside.where(*wanted, ArticleTopicRow.topic != ArticleRow.topic)
        also: dict[int, tuple[str, ...]] = defaultdict(tuple)
        with self._database.reading() as session:
            for article_id, topic in session.execute(beside.order_by(ArticleTopicRow.topic)):
                also[article_id] += (topic,)
            told = _tellers(session, since, until, sample)
            rows = session.execute(query.order_by(row.published_at, row.id)).all()
        return [_mention(found[:-1], found[-1], also.get(found[2], ()), told) for found in rows]

    def entity_mentions(
        self, since: datetime, until: datetime | None = None, sample: bool | None = None
    ) -> list[Mention]:
        """Each story once for every watched company that it names, by the first article that names it.

        The topic is "entity:" and the company's name; it is negative by the sentiment towards the company.
        """
        row = ArticleRow
        query = (
            select(TOWARDS, TOWARDS_PROBABILITY, *_BESIDES, EntityRow.name)
            .join(ArticleEntityRow, ArticleEntityRow.article_id == row.id)
            .join(EntityRow)
            .where(EntityRow.enabled, *published(since, until), ORIGINAL, row.topic != "", *_of(sample))
            .order_by(row.id)
        )
        found: dict[tuple[int, str], Mention] = {}
        with self._database.reading() as session:
            told = _tellers(session, since, until, sample)
            for *first, name in session.execute(query):
                if (first[3], name) not in found:
                    found[first[3], name] = _mention(first, ENTITY + name, (), told)
        return sorted(found.values(), key=lambda mention: (mention.published_at, mention.article_id))

    def trend(
        self,
        since: datetime,
        until: datetime,
        bucket_hours: int,
        topic: str | None = None,
        entity: str | None = None,
    ) -> list[TrendPoint]:
        """Counts of sentiment in spans of `bucket_hours` from `since` on; empty spans are there, as zeros.

        Spans begin on whole seconds; the last one takes in what is left of the second in which `until` lies. Of a
        company (`entity`), the sentiment is that towards it.
        """
        bucket = _bucket(since, bucket_hours)
        sentiment = (TOWARDS if entity else ArticleRow.sentiment).label("towards")
        query = select(bucket, sentiment, func.count().label("articles"))
        if topic:
            query = query.where(on_topic(topic))
        if entity:
            query = query.join(ArticleEntityRow, ArticleEntityRow.article_id == ArticleRow.id).join(EntityRow)
            query = query.where(EntityRow.name == entity, *_counted_for_companies(since, until))
        else:
            query = query.where(*counted(since, until))
        with self._database.reading() as session:
            found = session.execute(query.group_by("bucket", "towards")).tuples().all()
        return _points(found, since, until, bucket_hours)

    def topic_trends(self, since: datetime, until: datetime, bucket_hours: int) -> dict[str, list[TrendPoint]]:
        """What `trend` gives for each topic that has stories in the span, in one reading of them."""
        bucket, topic = _bucket(since, bucket_hours), ArticleTopicRow.topic
        query = select(topic, bucket, ArticleRow.sentiment, func.count()).join(ArticleRow)
        query = query.where(*counted(since, until)).group_by(topic, "bucket", ArticleRow.sentiment)
        found: dict[str, list[tuple[Any, str, int]]] = defaultdict(list)
        with self._database.reading() as session:
            for name, *counts in session.execute(query):
                found[name].append((counts[0], counts[1], counts[2]))
        return {name: _points(rows, since, until, bucket_hours) for name, rows in sorted(found.items())}

    def topic_counts(self, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
        """Stories per topic and sentiment, each under every topic that holds; topics without any are left out."""
        topic_of, sentiment_of = ArticleTopicRow.topic, ArticleRow.sentiment
        query = select(topic_of, sentiment_of, func.count()).join(ArticleRow).where(*counted(since, until))
        return self._table(query.group_by(topic_of, sentiment_of))

    def entity_counts(self, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
        """Stories per watched company and sentiment towards it; companies without any are left out."""
        sentiment = TOWARDS.label("towards")
        query = select(EntityRow.name, sentiment, func.count()).select_from(ArticleEntityRow).join(EntityRow)
        query = query.join(ArticleRow, ArticleRow.id == ArticleEntityRow.article_id)
        query = query.where(EntityRow.enabled, *_counted_for_companies(since, until))
        return self._table(query.group_by(EntityRow.name, "towards"))

    def _table(self, query: Select[str, str, int]) -> dict[str, dict[str, int]]:
        table: dict[str, dict[str, int]] = defaultdict(lambda: {label.value: 0 for label in Sentiment})
        with self._database.reading() as session:
            for key, sentiment, count in session.execute(query):
                table[key][sentiment] += count
        return dict(table)


def _bucket(since: datetime, bucket_hours: int) -> Label[Any]:
    """The second in which an article's span begins."""
    start, length = int(since.timestamp()), bucket_hours * 3600
    # Subtracting the remainder floors alike on both engines; PostgreSQL's seconds have a fraction.
    seconds = extract("epoch", ArticleRow.published_at)
    return (seconds - (seconds - start) % length).label("bucket")


def _points(
    found: Iterable[tuple[Any, str, int]], since: datetime, until: datetime, bucket_hours: int
) -> list[TrendPoint]:
    """Counts by span and sentiment as points, with those of empty spans."""
    start = int(since.timestamp())
    spans = range(start, max(start + 1, int(until.timestamp())), bucket_hours * 3600)
    counts = {at: dict.fromkeys(Sentiment, 0) for at in spans}
    for at, label, articles in found:
        counts[min(int(at), spans[-1])][Sentiment(label)] += articles
    return [TrendPoint(datetime.fromtimestamp(at, UTC), *row.values()) for at, row in counts.items()]


def _mention(found: Sequence[Any], series: str, also: tuple[str, ...], told: Mapping[int, set[str]]) -> Mention:
    """The mention of a row with sentiment, probability and what _BESIDES holds; there are tens of thousands."""
    sentiment, probability, article_id, story, published_at, stored_at, sample, outlet = found
    copies = len(told[story] | {outlet}) if story in told else 1
    negative = sentiment == _NEGATIVE
    return Mention(
        published_at, series, negative, article_id, also, probability, None if sample else stored_at, copies
    )


def _of(sample: bool | None) -> Iterator[ColumnElement[bool]]:
    if sample is not None:
        yield ArticleRow.sample.is_(sample)


def _tellers(session: Session, since: datetime, until: datetime | None, sample: bool | None) -> dict[int, set[str]]:
    """By the article that began a story which others tell, too: the outlets that tell it."""
    first = aliased(ArticleRow)
    others = select(STORY, ArticleRow.outlet, ArticleRow.id, first.outlet).join(first, first.id == STORY)
    others = others.where(or_(not_(BEGINS), not_(ORIGINAL)), *published(since, until), *_of(sample))
    told: dict[int, set[str]] = defaultdict(set)
    for story, outlet, article_id, first_outlet in session.execute(others):
        told[story] |= {first_outlet, outlet or f"article {article_id}"}
    return told


def _counted_for_companies(since: datetime, until: datetime | None) -> Iterator[ColumnElement[bool]]:
    """What is counted for a company: stories whose beginning names it, and otherwise the retellings that do."""
    yield from published(since, until)
    yield ORIGINAL
    yield ArticleRow.topic != ""
    first = aliased(ArticleEntityRow)
    named = select(first.article_id).where(
        first.article_id == ArticleRow.story_id, first.entity_id == ArticleEntityRow.entity_id
    )
    yield not_(named.exists())
