"""Removes rows past their age, a few at a time, and gives their space back."""

import logging
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.domain.alerts import AlertState, DeliveryState
from app.storage.audit import record
from app.storage.database import Database, affected_rows
from app.storage.tables import (
    AlertRow,
    ArticleRow,
    AuditRow,
    Base,
    ConversationRow,
    DeliveryRow,
    JobRunRow,
    MessageRow,
    SilenceRow,
    UsedTokenRow,
)

log = logging.getLogger(__name__)

BATCH = 200  # rows of one transaction, so that other writers wait for milliseconds
PAGES = 500  # of SQLite's file, in one transaction
_WORTH_REWRITING = 0.25  # share of free pages
_INCREMENTAL = 2  # value of PRAGMA auto_vacuum


class OldRows:
    """Each method but the last removes the rows of one kind that are older than `before`.

    They are generators: one step is one transaction, and gives the number of rows that it removed.
    """

    def __init__(self, database: Database, batch: int = BATCH) -> None:
        self._database, self._batch = database, batch

    def articles(self, before: datetime) -> Iterator[int]:
        """Articles, but for those of alerts that are not resolved, and those retold by one that stays.

        A story's first article goes after its last copy: left alone, a copy would count as a story of its own.
        """
        copy = aliased(ArticleRow)
        retold = exists().where(or_(copy.duplicate_of == ArticleRow.id, copy.story_id == ArticleRow.id))
        old = select(ArticleRow.id).where(ArticleRow.stored_at < before).order_by(ArticleRow.id.desc())
        removed_in_pass = 1
        while removed_in_pass:
            removed_in_pass, rest = 0, old
            while True:
                found, removed = self._some_articles(rest, retold)
                if not found:
                    break
                rest = old.where(ArticleRow.id < found[-1])
                removed_in_pass += removed
                yield removed

    def _some_articles(self, old: Select[int], retold: ColumnElement[bool]) -> tuple[list[int], int]:
        """The next ids of `old`, and how many of them were removed."""
        cited = select(AlertRow.article_ids).where(AlertRow.state != AlertState.RESOLVED)
        with self._database.session() as session:
            found = list(session.scalars(old.limit(self._batch)))
            if not found:
                return found, 0
            kept = {article_id for ids in session.scalars(cited) for article_id in ids}
            going = [article_id for article_id in found if article_id not in kept]
            free = select(ArticleRow.id).where(ArticleRow.id.in_(going), ~retold)
            self._database.texts.remove(session, free)
            return found, affected_rows(session, delete(ArticleRow).where(ArticleRow.id.in_(free)))

    def conversations(self, before: datetime) -> Iterator[int]:
        """Conversations in which nothing was said since, with their messages and requests."""
        spoken = exists().where(MessageRow.conversation_id == ConversationRow.id, MessageRow.at >= before)
        return self._remove(ConversationRow.id, ConversationRow.started_at < before, ~spoken)

    def alerts(self, before: datetime) -> Iterator[int]:
        """Resolved alerts, with their deliveries."""
        resolved = AlertRow.state == AlertState.RESOLVED
        return self._remove(AlertRow.id, AlertRow.detected_at < before, resolved)

    def deliveries(self, before: datetime) -> Iterator[int]:
        """Deliveries that belong to no alert: digests and tests."""
        over = DeliveryRow.state != DeliveryState.PENDING
        return self._remove(DeliveryRow.id, DeliveryRow.alert_id.is_(None), DeliveryRow.created_at < before, over)

    def silences(self, before: datetime) -> Iterator[int]:
        return self._remove(SilenceRow.id, SilenceRow.ends_at < before)

    def tokens(self, before: datetime) -> Iterator[int]:
        return self._remove(UsedTokenRow.token_hash, UsedTokenRow.used_at < before)

    def audit(self, before: datetime) -> Iterator[int]:
        return self._remove(AuditRow.id, AuditRow.at < before)

    def job_runs(self, before: datetime) -> Iterator[int]:
        """Runs of jobs, but for the last one of each."""
        newest = select(func.max(JobRunRow.id)).group_by(JobRunRow.job)
        return self._remove(JobRunRow.id, JobRunRow.started_at < before, JobRunRow.id.not_in(newest))

    def note(self, now: datetime, actor: str, counts: dict[str, int]) -> None:
        """Record in the audit that rows were removed."""
        with self._database.session() as session:
            record(session, now, actor, "remove", "old rows", **cast("dict[str, Any]", counts))

    def _remove(self, key: InstrumentedAttribute[Any], *conditions: ColumnElement[bool]) -> Iterator[int]:
        table = cast("type[Base]", key.class_)
        some = select(key).where(*conditions).limit(self._batch)
        while True:
            with self._database.session() as session:
                removed = affected_rows(session, delete(table).where(key.in_(some)))
            if not removed:
                return
            yield removed

    def compact(self) -> Iterator[int]:
        """Give the space of removed rows back to the file system; each step gives a number of pages.

        SQLite only: PostgreSQL's autovacuum does it by itself. A file that was made before this program kept
        it compactable is rewritten once, as a whole, when a quarter of it is free.
        """
        if self._database.engine.dialect.name != "sqlite":
            return
        connection = self._database.engine.raw_connection()
        try:
            driver = connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            yield from _compact(driver)
        except (sqlite3.OperationalError, OperationalError) as error:  # busy: the next run goes on with it
            log.info("The database file was not compacted: %s", error)
        finally:
            connection.close()


def _compact(driver: sqlite3.Connection) -> Iterator[int]:
    def value(pragma: str) -> int:
        return int(driver.execute(f"PRAGMA {pragma}").fetchone()[0])

    free = value("freelist_count")
    if value("auto_vacuum") != _INCREMENTAL:
        if free > _WORTH_REWRITING * value("page_count"):
            driver.execute("PRAGMA auto_vacuum=INCREMENTAL")
            driver.execute("VACUUM")
            yield free
    else:
        while free:
            driver.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # execute() would free a single page
            left = value("freelist_count")
            if left >= free:
                break
            yield free - left
            free = left
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    driver.execute("PRAGMA analysis_limit=1000")  # rows of an index that are looked at: milliseconds
    driver.execute("ANALYZE")
