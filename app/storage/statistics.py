"""Counts for those who watch the program: a few short queries over indexed columns."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import InstrumentedAttribute

from app.storage.database import Database
from app.storage.tables import AlertRow, ArticleRow, DeliveryRow, JobRunRow, LeaseRow


@dataclass(frozen=True)
class LastRun:
    """The latest run of a job; `error` is empty for one that went well or is under way."""

    job: str
    started_at: datetime
    ended_at: datetime | None
    error: str = ""


class Statistics:
    """What is stored, in numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ping(self) -> None:
        """Raises StorageUnavailable when the database does not answer."""
        with self._database.reading() as session:
            session.execute(text("SELECT 1"))

    def articles(self) -> int:
        """Articles, duplicates included."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(ArticleRow)) or 0

    def alerts(self) -> dict[str, int]:
        """Alerts by state."""
        return self._by(AlertRow.state)

    def deliveries(self) -> dict[str, int]:
        """Deliveries by state."""
        return self._by(DeliveryRow.state)

    def last_runs(self) -> list[LastRun]:
        """The latest run of each job."""
        latest = select(func.max(JobRunRow.id)).group_by(JobRunRow.job)
        query = select(JobRunRow).where(JobRunRow.id.in_(latest)).order_by(JobRunRow.job)
        with self._database.reading() as session:
            return [LastRun(row.job, row.started_at, row.ended_at, row.error) for row in session.scalars(query)]

    def lease_held(self, name: str, now: datetime) -> bool:
        """Whether any process holds a lease."""
        query = select(LeaseRow.name).where(LeaseRow.name == name, LeaseRow.expires_at > now)
        with self._database.reading() as session:
            return session.scalar(query) is not None

    def _by(self, column: InstrumentedAttribute[str]) -> dict[str, int]:
        query = select(column, func.count()).group_by(column)
        with self._database.reading() as session:
            return {str(value): count for value, count in session.execute(query)}
