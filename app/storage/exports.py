"""Whole tables, a batch of rows at a time: memory does not grow with them, and no transaction stays open."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from app.domain.exports import ALERTS, ARTICLES, AUDIT, Column, Row
from app.storage.database import Database
from app.storage.tables import (
    AlertRow,
    ArticleEntityRow,
    ArticleRow,
    ArticleTopicRow,
    AuditRow,
    DeliveryRow,
    EntityRow,
    SourceRow,
)

BATCH = 1000


class ExportRows:
    """Rows by name of column, in the order of their time; `since` is inclusive, `until` is not."""

    def __init__(self, database: Database, batch: int = BATCH) -> None:
        self._database, self._batch = database, batch

    def articles(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[list[Row]]:
        """By time of publication."""
        return self._batches(ArticleRow, ArticleRow.published_at, since, until, _articles)

    def alerts(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[list[Row]]:
        """By time of detection, with the number of deliveries in each state."""
        return self._batches(AlertRow, AlertRow.detected_at, since, until, _alerts)

    def audit(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[list[Row]]:
        return self._batches(AuditRow, AuditRow.at, since, until, _audit)

    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last article were published; None without any."""
        query = select(func.min(ArticleRow.published_at), func.max(ArticleRow.published_at))
        with self._database.reading() as session:
            first, last = session.execute(query).one()
        return None if first is None else (first, last)

    def series(self) -> tuple[list[str], list[str]]:
        """Every topic that holds for some article, and every company on the watchlist."""
        with self._database.reading() as session:
            topics = session.scalars(select(ArticleTopicRow.topic).distinct())
            return sorted(topics), sorted(session.scalars(select(EntityRow.name)))

    def _batches(
        self,
        table: type[Any],
        time: Any,
        since: datetime | None,
        until: datetime | None,
        rows_of: Callable[[Session, Sequence[Any]], list[Row]],
    ) -> Iterator[list[Row]]:
        """Pages that begin after the last row seen, so that rows which come or go meanwhile shift nothing."""
        query = select(table).order_by(time, table.id).limit(self._batch)
        if until is not None:
            query = query.where(time < until)
        start: ColumnElement[bool] | None = time >= since if since is not None else None
        while True:
            with self._database.reading() as session:
                found = session.scalars(query if start is None else query.where(start)).all()
                rows = rows_of(session, found)
            if not found:
                return
            yield rows
            last = getattr(found[-1], time.key)
            start = tuple_(time, table.id) > tuple_(last, found[-1].id)


def _articles(session: Session, found: Sequence[ArticleRow]) -> list[Row]:
    ids = [row.id for row in found]
    topics, companies = defaultdict(list), defaultdict(list)
    held = select(ArticleTopicRow.article_id, ArticleTopicRow.topic).where(ArticleTopicRow.article_id.in_(ids))
    for article_id, topic in session.execute(held.order_by(ArticleTopicRow.topic)):
        topics[article_id].append(topic)
    named = select(ArticleEntityRow.article_id, EntityRow.name).join(EntityRow)
    for article_id, name in session.execute(
        named.where(ArticleEntityRow.article_id.in_(ids)).order_by(EntityRow.name)
    ):
        companies[article_id].append(name)
    sources = {key: name for key, name in session.execute(select(SourceRow.id, SourceRow.name))}  # noqa: C416
    made = {
        "source": lambda row: sources.get(row.source_id, ""),
        "topics": lambda row: topics[row.id],
        "companies": lambda row: companies[row.id],
        "deciding": lambda row: row.deciding.splitlines(),
    }
    return [_row(row, ARTICLES, made) for row in found]


def _alerts(session: Session, found: Sequence[AlertRow]) -> list[Row]:
    ids = [row.id for row in found]
    counts: dict[int | None, Counter[str]] = defaultdict(Counter)
    states = select(DeliveryRow.alert_id, DeliveryRow.state, func.count()).where(DeliveryRow.alert_id.in_(ids))
    for alert_id, state, count in session.execute(states.group_by(DeliveryRow.alert_id, DeliveryRow.state)):
        counts[alert_id][state] = count
    made = {
        "sent": lambda row: counts[row.id]["sent"],
        "pending": lambda row: counts[row.id]["pending"],
        "refused": lambda row: counts[row.id]["refused"],
    }
    return [_row(row, ALERTS, made) for row in found]


def _audit(_session: Session, found: Sequence[AuditRow]) -> list[Row]:
    made = {"details": lambda row: json.dumps(row.details, ensure_ascii=False)}
    return [_row(row, AUDIT, made) for row in found]


def _row(row: Any, columns: Sequence[Column], made: dict[str, Callable[[Any], Any]]) -> Row:
    return {c.name: made[c.name](row) if c.name in made else getattr(row, c.name) for c in columns}
