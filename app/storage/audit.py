"""The append-only record of changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.audit import AuditEntry
from app.storage.database import Database
from app.storage.tables import AuditRow


def record(
    session: Session,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    subject_id: object = "",
    comment: str = "",
    **details: Any,
) -> None:
    """Note a change in the transaction that makes it. `details` must be JSON values."""
    session.add(
        AuditRow(
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            subject_id=str(subject_id),
            comment=comment,
            details=details,
        )
    )


class Audit:
    """What was recorded. There is no way to change or remove an entry here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(
        self, subject: str | None = None, subject_id: object | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """The latest entries, newest first, of one kind of subject or of one subject."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if subject is not None:
            query = query.where(AuditRow.subject == subject)
        if subject_id is not None:
            query = query.where(AuditRow.subject_id == str(subject_id))
        with self._database.reading() as session:
            return [_entry(row) for row in session.scalars(query)]


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(row.at, row.actor, row.action, row.subject, row.subject_id, row.comment, row.details, row.id)
