"""Articles: what the press said, and counts of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, delete, extract, func, or_, select
from sqlalchemy.exc import IntegrityError

from app.domain.errors import InvalidInput
from app.domain.news import Article, Classification, Sentiment, TrendPoint
from app.domain.spikes import Mention
from app.storage.database import Database, affected_rows
from app.storage.tables import AlertRow, ArticleRow, ArticleTopicRow, SourceRow

_MAX_URL = 2000
T = TypeVar("T")
_ORIGINAL = ArticleRow.duplicate_of.is_(None)


class Articles:
    """Articles by address. Near-duplicates are kept, and left out wherever articles are counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known_urls(self, urls: Iterable[str]) -> set[str]:
        """Those of `urls` under which an article is stored."""
        known: set[str] = set()
        with self._database.reading() as session:
            for batch in _batches(list(urls)):
                known.update(session.scalars(select(ArticleRow.url).where(ArticleRow.url.in_(batch))))
        return known

    def find_hash(self, content_hash: str) -> int | None:
        """Id of the original article with this content, or None."""
        original = func.coalesce(ArticleRow.duplicate_of, ArticleRow.id)
        query = select(original).where(ArticleRow.content_hash == content_hash).order_by(ArticleRow.id).limit(1)
        with self._database.reading() as session:
            return session.scalar(query)

    def add(self, article: Article, now: datetime, sample: bool = False) -> Article | None:
        """Store an article with its classification; None when its address is already there.

        Raises InvalidInput for an address that is too long. A source removed meanwhile is left out.
        """
        if len(article.url) > _MAX_URL:
            raise InvalidInput(f"The address of {article.title!r:.80} is longer than {_MAX_URL} characters.")
        row = _row(article, now, sample)
        try:
            with self._database.session() as session:
                if row.source_id is not None and session.get(SourceRow, row.source_id) is None:
                    row.source_id = None
                session.add(row)
                session.flush()
                topics = article.classification.topics if article.classification else ()
                session.add_all(ArticleTopicRow(article_id=row.id, topic=topic) for topic in topics)
        except IntegrityError:
            if not self.known_urls([article.url]):
                raise
            return None
        return replace(article, id=row.id, source_id=row.source_id)

    def recent(
        self,
        limit: int = 50,
        offset: int = 0,
        topic: str | None = None,
        sentiment: str | None = None,
        language: str | None = None,
        search: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        include_duplicates: bool = False,
    ) -> list[Article]:
        """Articles that meet every condition given, newest first; `since` is inclusive, `until` is not.

        `topic` need not be an article's first one. Each word of `search` must occur in the title or the text.
        """
        query = select(ArticleRow).order_by(ArticleRow.published_at.desc(), ArticleRow.id.desc())
        equal = {ArticleRow.sentiment: sentiment, ArticleRow.language: language}
        query = query.where(*(column == value for column, value in equal.items() if value))
        if topic:
            query = query.where(_on(topic))
        for word in (search or "").split():
            query = query.where(
                or_(*(c.icontains(word, autoescape=True) for c in (ArticleRow.title, ArticleRow.text)))
            )
        query = query.where(*_published(since, until))
        if not include_duplicates:
            query = query.where(_ORIGINAL)
        return self._fetch(query.limit(limit).offset(offset))

    def by_ids(self, ids: Sequence[int]) -> list[Article]:
        """The articles with these ids, in the same order; those that are gone are left out."""
        found: dict[int | None, Article] = {}
        for batch in _batches(ids):
            found.update((a.id, a) for a in self._fetch(select(ArticleRow).where(ArticleRow.id.in_(batch))))
        return [found[i] for i in ids if i in found]

    def mentions(self, since: datetime, until: datetime | None = None, sample: bool | None = None) -> list[Mention]:
        """Classified originals in order of publication; only sample articles, only others, or all (None)."""
        wanted = [*_counted(since, until)]
        if sample is not None:
            wanted.append(ArticleRow.sample.is_(sample))
        row = ArticleRow
        query = select(row.published_at, row.topic, row.sentiment, row.id, row.probability).where(*wanted)
        beside = select(ArticleTopicRow.article_id, ArticleTopicRow.topic).join(ArticleRow)
        beside = beside.where(*wanted, ArticleTopicRow.topic != ArticleRow.topic)
        also: dict[int, tuple[str, ...]] = defaultdict(tuple)
        with self._database.reading() as session:
            for article_id, topic in session.execute(beside.order_by(ArticleTopicRow.topic)):
                also[article_id] += (topic,)
            return [
                Mention(at, topic, sentiment == Sentiment.NEGATIVE, article_id, also[article_id], probability)
                for at, topic, sentiment, article_id, probability in session.execute(
                    query.order_by(ArticleRow.published_at, ArticleRow.id)
                )
            ]

    def recent_texts(self, since: datetime) -> list[tuple[int, str, str]]:
        """Id, title and text of originals published from `since` on, to search for near-duplicates."""
        query = select(ArticleRow.id, ArticleRow.title, ArticleRow.text).where(_ORIGINAL, *_published(since))
        with self._database.reading() as session:
            return [(i, title, text) for i, title, text in session.execute(query.order_by(ArticleRow.id))]

    def trend(
        self, since: datetime, until: datetime, bucket_hours: int, topic: str | None = None
    ) -> list[TrendPoint]:
        """Counts of sentiment in spans of `bucket_hours` from `since` on; empty spans are there, as zeros.

        Spans begin on whole seconds; the last one takes in what is left of the second in which `until` lies.
        """
        start, length = int(since.timestamp()), bucket_hours * 3600
        # Subtracting the remainder floors alike on both engines; PostgreSQL's seconds have a fraction.
        seconds = extract("epoch", ArticleRow.published_at)
        bucket = (seconds - (seconds - start) % length).label("bucket")
        query = select(bucket, ArticleRow.sentiment, func.count().label("articles")).where(*_counted(since, until))
        if topic:
            query = query.where(_on(topic))
        spans = range(start, max(start + 1, int(until.timestamp())), length)
        counts = {at: dict.fromkeys(Sentiment, 0) for at in spans}
        with self._database.reading() as session:
            for at, sentiment, articles in session.execute(query.group_by("bucket", ArticleRow.sentiment)):
                counts[min(int(at), spans[-1])][Sentiment(sentiment)] += articles
        return [TrendPoint(datetime.fromtimestamp(at, UTC), *row.values()) for at, row in counts.items()]

    def topic_counts(self, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
        """Originals per topic and sentiment, each under every topic that holds; topics without any are left out."""
        topic_of, sentiment_of = ArticleTopicRow.topic, ArticleRow.sentiment
        query = select(topic_of, sentiment_of, func.count()).join(ArticleRow).where(*_counted(since, until))
        table: dict[str, dict[str, int]] = defaultdict(lambda: {label.value: 0 for label in Sentiment})
        with self._database.reading() as session:
            for topic, sentiment, count in session.execute(query.group_by(topic_of, sentiment_of)):
                table[topic][sentiment] = count
        return dict(table)

    def count(self) -> int:
        """All articles, duplicates included."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(ArticleRow)) or 0

    def remove_sample(self) -> int:
        """Remove sample articles, sources and alerts; return how many articles went."""
        with self._database.session() as session:
            session.execute(delete(AlertRow).where(AlertRow.sample))
            removed = affected_rows(session, delete(ArticleRow).where(ArticleRow.sample))
            session.execute(delete(SourceRow).where(SourceRow.sample))
        return removed

    def _fetch(self, query: Select[ArticleRow]) -> list[Article]:
        with self._database.reading() as session:
            return [_article(row) for row in session.scalars(query)]


def _published(since: datetime | None, until: datetime | None = None) -> Iterator[ColumnElement[bool]]:
    if since is not None:
        yield ArticleRow.published_at >= since
    if until is not None:
        yield ArticleRow.published_at < until


def _counted(since: datetime, until: datetime | None) -> Iterator[ColumnElement[bool]]:
    """What statistics look at: classified originals of a span."""
    yield from _published(since, until)
    yield _ORIGINAL
    yield ArticleRow.topic != ""


def _on(topic: str) -> ColumnElement[bool]:
    """Whether a topic holds for an article."""
    held = select(ArticleTopicRow.article_id).where(ArticleTopicRow.topic == topic)
    return ArticleRow.id.in_(held)


def _batches(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Cut `values` into pieces that fit into one statement's parameters."""
    return (values[i : i + size] for i in range(0, len(values), size))


def _row(article: Article, now: datetime, sample: bool) -> ArticleRow:
    row = ArticleRow(
        source_id=article.source_id,
        url=article.url,
        title=article.title,
        text=article.text,
        outlet=article.outlet,
        language=article.language,
        published_at=article.published_at,
        stored_at=now,
        content_hash=article.content_hash,
        duplicate_of=article.duplicate_of,
        sample=sample,
    )
    if reading := article.classification:
        row.sentiment, row.topic, row.probability = reading.sentiment, reading.topic, reading.probability
        row.scores, row.topic_scores = dict(reading.scores), dict(reading.topic_scores)
        row.deciding = "\n".join(" ".join(excerpt.split()) for excerpt in reading.deciding)
    return row


def _article(row: ArticleRow) -> Article:
    reading = None
    if row.sentiment:
        deciding = tuple(row.deciding.splitlines())
        reading = Classification(Sentiment(row.sentiment), row.scores, row.topic, row.topic_scores, deciding)
    return Article(
        url=row.url,
        title=row.title,
        text=row.text,
        published_at=row.published_at,
        language=row.language,
        content_hash=row.content_hash,
        outlet=row.outlet,
        source_id=row.source_id,
        id=row.id,
        classification=reading,
        duplicate_of=row.duplicate_of,
    )
