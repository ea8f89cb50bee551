"""What tells articles of one story from others: sketches of recent originals, kept across restarts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import aliased

from app.storage.article_rows import STORY
from app.storage.database import Database, affected_rows
from app.storage.tables import ArticleEntityRow, ArticleRow, SketchRow

_BATCH = 500  # ids in one statement


@dataclass(frozen=True)
class Sketched:
    """An original with its sketch. `vector` is empty where no embedder, or another, has read it."""

    article_id: int
    published_at: datetime
    stored_at: datetime
    sample: bool
    minhash: bytes
    vector: bytes = b""


@dataclass(frozen=True)
class StoredText:
    """The text of an original, and the beginning of its story."""

    article_id: int
    title: str
    text: str
    story_id: int
    begun_at: datetime  # publication of the story's first article
    companies: frozenset[int] = frozenset()  # on the watchlist, that it names


class Sketches:
    """Sketches of originals (articles that are no near-duplicates)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids(self, stored: datetime, above: int, limit: int) -> list[int]:
        """The newest `limit` of those stored from a moment on, with ids above one, oldest first."""
        query = (
            select(SketchRow.article_id)
            .join(ArticleRow, ArticleRow.id == SketchRow.article_id)
            .where(ArticleRow.stored_at >= stored, SketchRow.article_id > above)
            .order_by(SketchRow.article_id.desc())
            .limit(limit)
        )
        with self._database.reading() as session:
            return list(reversed(session.scalars(query).all()))

    def load(self, article_ids: Sequence[int], embedder: str) -> Iterator[Sketched]:
        """The sketches of these articles, with the vectors that this embedder made."""
        row, sketch = ArticleRow, SketchRow
        query = select(
            row.id, row.published_at, row.stored_at, row.sample, sketch.minhash, sketch.vector, sketch.embedder
        )
        query = query.join(sketch, sketch.article_id == row.id).order_by(row.id)
        for begin in range(0, len(article_ids), _BATCH):
            part = query.where(row.id.in_(article_ids[begin : begin + _BATCH]))
            with self._database.reading() as session:
                found = session.execute(part).all()
            yield from (Sketched(*values[:5], values[5] if values[6] == embedder else b"") for values in found)

    def unsketched(self, stored: datetime) -> list[tuple[int, str]]:
        """Id and text of originals stored from a moment on that have no sketch: those of an older version."""
        row, sketch = ArticleRow, SketchRow
        query = (
            select(row.id, row.title, row.text)
            .outerjoin(sketch, sketch.article_id == row.id)
            .where(row.stored_at >= stored, row.duplicate_of.is_(None), sketch.article_id.is_(None))
            .order_by(row.id)
        )
        with self._database.reading() as session:
            return [(article_id, f"{title} {text}") for article_id, title, text in session.execute(query)]

    def add(self, minhashes: Iterable[tuple[int, bytes]]) -> None:
        """Add sketches without vectors to articles that have none."""
        with self._database.session() as session:
            session.add_all(SketchRow(article_id=article_id, minhash=minhash) for article_id, minhash in minhashes)

    def forget(self, stored: datetime) -> int:
        """Drop the sketches of articles stored before a moment; return how many went."""
        old = select(ArticleRow.id).where(ArticleRow.stored_at < stored)
        with self._database.session() as session:
            return affected_rows(session, delete(SketchRow).where(SketchRow.article_id.in_(old)))

    def texts(self, article_ids: Sequence[int]) -> dict[int, StoredText]:
        """The originals with these ids that are still there, by id."""
        first = aliased(ArticleRow)
        query = select(ArticleRow.id, ArticleRow.title, ArticleRow.text, first.id, first.published_at)
        query = query.join(first, first.id == STORY)
        found: dict[int, StoredText] = {}
        named = select(ArticleEntityRow.article_id, ArticleEntityRow.entity_id)
        with self._database.reading() as session:
            for begin in range(0, len(article_ids), _BATCH):
                part = article_ids[begin : begin + _BATCH]
                companies: dict[int, set[int]] = defaultdict(set)
                for article_id, company in session.execute(named.where(ArticleEntityRow.article_id.in_(part))):
                    companies[article_id].add(company)
                for values in session.execute(query.where(ArticleRow.id.in_(part))):
                    found[values[0]] = StoredText(*values, frozenset(companies[values[0]]))
        return found
