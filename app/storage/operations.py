"""What an administrator sees of the database: its size, its rows, and the record of changes, filtered."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text

from app.domain.audit import AuditEntry
from app.storage.audit import record
from app.storage.columns import Base
from app.storage.database import Database
from app.storage.tables import AuditRow


@dataclass(frozen=True)
class AuditFilter:
    """Which entries of the record are meant; an empty field leaves all in. `before` is an id."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    before: int | None = None


class OperationsRows:
    """Reads for those who run the program, and a note of what they did outside the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def engine(self) -> str:
        """Such as 'sqlite' or 'postgresql'."""
        return self._database.engine.dialect.name

    def size(self) -> int:
        """Bytes of the database, without the log of its last changes."""
        with self._database.reading() as session:
            if self.engine == "sqlite":
                pages, bytes_each = (
                    int(session.execute(text(f"PRAGMA {name}")).scalar_one())
                    for name in ("page_count", "page_size")
                )
                return pages * bytes_each
            return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    def tables(self) -> list[tuple[str, int]]:
        """Each table with its number of rows, the largest first."""
        with self._database.reading() as session:
            counts = [
                (table.name, session.scalar(select(func.count()).select_from(table)) or 0)
                for table in Base.metadata.sorted_tables
            ]
        return sorted(counts, key=lambda of: (-of[1], of[0]))

    def note(self, entry: AuditEntry) -> None:
        """Record what was done outside the database."""
        with self._database.session() as session:
            record(
                session, entry.at, entry.actor, entry.action, entry.subject, entry.subject_id, entry.comment,
                **entry.details,
            )  # fmt: skip

    def subjects(self) -> Sequence[str]:
        """The kinds of subject in the record, by name."""
        with self._database.reading() as session:
            return list(session.scalars(select(AuditRow.subject).distinct().order_by(AuditRow.subject)))

    def audit(self, wanted: AuditFilter, limit: int = 50) -> list[AuditEntry]:
        """The latest entries that are meant, newest first. Actor and action are looked for as parts of a word."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if wanted.actor:
            query = query.where(AuditRow.actor.icontains(wanted.actor, autoescape=True))
        if wanted.action:
            query = query.where(AuditRow.action.icontains(wanted.action, autoescape=True))
        if wanted.subject:
            query = query.where(AuditRow.subject == wanted.subject)
        if wanted.before is not None:
            query = query.where(AuditRow.id < wanted.before)
        with self._database.reading() as session:
            return [
                AuditEntry(r.at, r.actor, r.action, r.subject, r.subject_id, r.comment, r.details, r.id)
                for r in session.scalars(query)
            ]
