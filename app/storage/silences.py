"""Silences, and who made them."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from app.domain.errors import Conflict, NotFound
from app.domain.silences import Silence, checked
from app.storage.audit import record
from app.storage.database import Database
from app.storage.tables import SilenceRow


class Silences:
    """All silences; those that are over stay as a record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, silence: Silence, now: datetime) -> Silence:
        """Store a silence. Raises InvalidInput for one that makes no sense, or that is over already."""
        checked(replace(silence, starts_at=max(silence.starts_at, now)))
        row = SilenceRow(
            topic=silence.topic,
            entity=silence.entity,
            max_severity=silence.max_severity,
            starts_at=silence.starts_at,
            ends_at=silence.ends_at,
            created_by=silence.created_by,
            comment=silence.comment,
        )
        with self._database.session() as session:
            session.add(row)
            session.flush()
            record(
                session,
                now,
                silence.created_by,
                "create",
                "silence",
                row.id,
                silence.comment,
                topic=silence.topic,
                entity=silence.entity,
                max_severity=silence.max_severity,
                starts_at=silence.starts_at.isoformat(),
                ends_at=silence.ends_at.isoformat(),
            )
            return _silence(row)

    def expire(self, silence_id: int, by: str, now: datetime, comment: str = "") -> Silence:
        """End a silence now, or before it begins. Raises NotFound, and Conflict for one that is over."""
        with self._database.session() as session:
            row = session.get(SilenceRow, silence_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no silence {silence_id}; it may have been removed.")
            if row.ends_at <= now:
                raise Conflict("This silence is over already.")
            row.ends_at, row.starts_at = now, min(row.starts_at, now)
            record(session, now, by, "expire", "silence", row.id, comment)
            return _silence(row)

    def active(self, now: datetime) -> list[Silence]:
        """Silences in force, the first to end first."""
        query = select(SilenceRow).where(SilenceRow.starts_at <= now, SilenceRow.ends_at > now)
        with self._database.reading() as session:
            return [_silence(row) for row in session.scalars(query.order_by(SilenceRow.ends_at, SilenceRow.id))]

    def between(self, begin: datetime, end: datetime) -> list[Silence]:
        """Silences in force at some time of a period."""
        query = select(SilenceRow).where(SilenceRow.starts_at < end, SilenceRow.ends_at > begin)
        with self._database.reading() as session:
            return [_silence(row) for row in session.scalars(query.order_by(SilenceRow.id))]

    # Last, since the name hides the type in what follows it.
    def list(self, limit: int = 100) -> list[Silence]:
        """All silences, those to come and those that are over included, the last to end first."""
        query = select(SilenceRow).order_by(SilenceRow.ends_at.desc(), SilenceRow.id.desc()).limit(limit)
        with self._database.reading() as session:
            return [_silence(row) for row in session.scalars(query)]


def _silence(row: SilenceRow) -> Silence:
    return Silence(
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        created_by=row.created_by,
        topic=row.topic,
        entity=row.entity,
        max_severity=row.max_severity,
        comment=row.comment,
        id=row.id,
    )
