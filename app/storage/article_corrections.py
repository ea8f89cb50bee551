"""Sentiments that analysts corrected: rows for the next training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, select

from app.domain.errors import InvalidInput, NotFound
from app.domain.news import Sentiment
from app.storage.audit import record
from app.storage.database import Database
from app.storage.tables import ArticleCorrectionRow, ArticleRow

TEXT_CHARS = 600  # of an article: what says its sentiment stands at the beginning, and training rows are short


@dataclass(frozen=True)
class ArticleCorrection:
    """The text of an article with the sentiment that a person gave it; `topic` is "" or several joined by "|"."""

    article_id: int | None  # None: the article is gone
    text: str
    label: str
    topic: str
    by: str
    at: datetime


class ArticleCorrections:
    """At most one correction an article. Every change is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, article_id: int, label: str, by: str, now: datetime) -> ArticleCorrection:
        """Say what an article's sentiment is, in place of an earlier correction. Raises NotFound, InvalidInput."""
        if label not in set(Sentiment):
            raise InvalidInput(f"A sentiment is one of {', '.join(Sentiment)}, not {label!r:.40}.")
        with self._database.session() as session:
            article = session.get(ArticleRow, article_id)
            if article is None:
                raise NotFound("This article is gone; reload the list.")
            row = session.scalar(_of([article_id])) or ArticleCorrectionRow(article_id=article_id)
            row.text, row.label, row.topic = _text(article.title, article.text), label, article.topic
            row.corrected_by, row.at = by, now
            session.add(row)
            record(session, now, by, "correct", "article", article_id, label=label, was=article.sentiment)
            return _correction(row)

    def undo(self, article_id: int, by: str, now: datetime) -> None:
        """Take a correction back. Raises NotFound when there is none."""
        with self._database.session() as session:
            row = session.scalar(_of([article_id]))
            if row is None:
                raise NotFound("There is no correction to undo; somebody else may have undone it.")
            record(session, now, by, "undo-correction", "article", article_id, label=row.label)
            session.execute(delete(ArticleCorrectionRow).where(ArticleCorrectionRow.id == row.id))

    def of(self, article_ids: Sequence[int]) -> dict[int, ArticleCorrection]:
        """The corrections of these articles (of one page: a few hundred at most), by the id of the article."""
        with self._database.reading() as session:
            rows = session.scalars(_of(article_ids)).all()
        return {row.article_id: _correction(row) for row in rows if row.article_id is not None}

    def all(self) -> list[ArticleCorrection]:
        """All corrections, oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(ArticleCorrectionRow).order_by(ArticleCorrectionRow.id))
            return [_correction(row) for row in rows]


def training_row(correction: ArticleCorrection) -> dict[str, str]:
    """What train_sentiment reads, one JSON object a line."""
    return {"text": correction.text, "label": correction.label, "topic": correction.topic}


def _of(article_ids: Sequence[int]) -> Select[ArticleCorrectionRow]:
    return select(ArticleCorrectionRow).where(ArticleCorrectionRow.article_id.in_(article_ids))


def _text(title: str, text: str) -> str:
    """Title and beginning, cut behind a sentence or a word where that is near."""
    beginning = text[:TEXT_CHARS]
    if len(text) > TEXT_CHARS:
        ends = max(beginning.rfind(mark) + len(mark) for mark in (". ", "! ", "? ", "。", "！", "？"))
        beginning = beginning[:ends] if ends > TEXT_CHARS // 2 else beginning.rpartition(" ")[0] or beginning
    return f"{title}\n{beginning}".strip()


def _correction(row: ArticleCorrectionRow) -> ArticleCorrection:
    return ArticleCorrection(row.article_id, row.text, row.label, row.topic, row.corrected_by, row.at)
