"""Articles as rows and back, and the conditions that queries on them share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from app.domain.news import Article, Classification, EntityReading, Sentiment
from app.storage.tables import ArticleEntityRow, ArticleRow, ArticleTopicRow, EntityRow, SourceRow

T = TypeVar("T")
ORIGINAL = ArticleRow.duplicate_of.is_(None)
BEGINS = ArticleRow.story_id.is_(None)
STORY = func.coalesce(ArticleRow.story_id, ArticleRow.duplicate_of, ArticleRow.id)  # the article that began it
# The sentiment towards a company where the classifier gave one, else that of the whole article.
TOWARDS = case((ArticleEntityRow.sentiment != "", ArticleEntityRow.sentiment), else_=ArticleRow.sentiment)
TOWARDS_PROBABILITY = case(
    (ArticleEntityRow.sentiment != "", ArticleEntityRow.probability), else_=ArticleRow.probability
)


@dataclass(frozen=True)
class NewSketch:
    """What later articles are compared with (see SketchRow)."""

    minhash: bytes
    vector: bytes = b""
    embedder: str = ""


def published(since: datetime | None, until: datetime | None = None) -> Iterator[ColumnElement[bool]]:
    if since is not None:
        yield ArticleRow.published_at >= since
    if until is not None:
        yield ArticleRow.published_at < until


def counted(since: datetime, until: datetime | None) -> Iterator[ColumnElement[bool]]:
    """What statistics look at: the classified articles of a span that began a story."""
    yield from published(since, until)
    yield ORIGINAL
    yield BEGINS
    yield ArticleRow.topic != ""


def on_topic(topic: str) -> ColumnElement[bool]:
    """Whether a topic holds for an article. Asked of each in turn, so that the newest few are found at once."""
    held = select(ArticleTopicRow.article_id).where(
        ArticleTopicRow.article_id == ArticleRow.id, ArticleTopicRow.topic == topic
    )
    return held.exists()


def batches(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """Cut `values` into pieces that fit into one statement's parameters."""
    return (values[i : i + size] for i in range(0, len(values), size))


def naming(entity: str) -> ColumnElement[bool]:
    """Whether an article names the company that is listed under this name."""
    named = select(ArticleEntityRow.article_id).join(EntityRow).where(EntityRow.name == entity)
    return ArticleRow.id.in_(named)


def entities_of(article_ids: Sequence[int]) -> Select[int, int, str, str, float]:
    """(article, company, its name, sentiment, probability) of these articles."""
    named = ArticleEntityRow
    query = select(named.article_id, named.entity_id, EntityRow.name, named.sentiment, named.probability)
    return query.join(EntityRow).where(named.article_id.in_(article_ids)).order_by(EntityRow.name)


def entity_row(article_id: int, entity: EntityReading) -> ArticleEntityRow:
    return ArticleEntityRow(
        article_id=article_id,
        entity_id=entity.entity_id,
        sentiment=entity.sentiment,
        probability=entity.probability,
    )


def leave_out_what_is_gone(session: Session, row: ArticleRow) -> None:
    """Clear references to a source and to articles that were removed meanwhile."""
    if row.source_id is not None and session.get(SourceRow, row.source_id) is None:
        row.source_id = None
    told = {i for i in (row.duplicate_of, row.story_id) if i is not None}
    there = existing(session, ArticleRow.id, told) if told else set()
    row.duplicate_of = row.duplicate_of if row.duplicate_of in there else None
    row.story_id = row.story_id if row.story_id in there else None


def existing(session: Session, column: Any, ids: Iterable[int]) -> set[int]:
    """Those of `ids` that are in a column."""
    return set(session.scalars(select(column).where(column.in_(list(ids)))))


def article_row(article: Article, now: datetime, sample: bool) -> ArticleRow:
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
        story_id=article.story_id,
        sample=sample,
    )
    if reading := article.classification:
        row.sentiment, row.topic, row.probability = reading.sentiment, reading.topic, reading.probability
        row.scores, row.topic_scores = dict(reading.scores), dict(reading.topic_scores)
        row.deciding = "\n".join(" ".join(excerpt.split()) for excerpt in reading.deciding)
    return row


def article_of(row: ArticleRow, entities: tuple[EntityReading, ...] = ()) -> Article:
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
        story_id=row.story_id,
        entities=entities,
    )
