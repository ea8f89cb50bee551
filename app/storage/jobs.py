"""What the scheduler did, and which process may run it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.jobs import JobRun
from app.storage.database import Database, affected_rows
from app.storage.tables import JobRunRow, LeaseRow

RETENTION = timedelta(days=7)


class JobRuns:
    """The record of scheduled jobs over the last week."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: str, now: datetime) -> int:
        """Note that a job has started and return the run's id. Runs past the retention are dropped."""
        row = JobRunRow(job=job, started_at=now)
        with self._database.session() as session:
            session.execute(delete(JobRunRow).where(JobRunRow.job == job, JobRunRow.started_at < now - RETENTION))
            session.add(row)
        return row.id

    def finish(self, run_id: int, now: datetime, counts: Mapping[str, int], error: str = "") -> None:
        change = update(JobRunRow).where(JobRunRow.id == run_id)
        with self._database.session() as session:
            session.execute(change.values(ended_at=now, counts=dict(counts), error=error))

    def ended(self, job: str) -> bool:
        """Whether a run of this job has come to its end without an error."""
        query = select(JobRunRow.id).where(
            JobRunRow.job == job, JobRunRow.ended_at.is_not(None), JobRunRow.error == ""
        )
        with self._database.reading() as session:
            return session.scalars(query).first() is not None

    def recent(self, limit: int = 50) -> list[JobRun]:
        """The latest runs, newest first."""
        query = select(JobRunRow).order_by(JobRunRow.id.desc()).limit(limit)
        with self._database.reading() as session:
            return [
                JobRun(row.id, row.job, row.started_at, row.ended_at, row.counts, row.error)
                for row in session.scalars(query)
            ]


class Leases:
    """Named leases: each is held by at most one holder at a time, and lapses unless it is renewed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, holder: str, now: datetime, seconds: float) -> bool:
        """Take or renew a lease until `seconds` from `now`; False when somebody else holds it."""
        expires_at = now + timedelta(seconds=seconds)
        free = or_(LeaseRow.holder == holder, LeaseRow.expires_at <= now)
        take = update(LeaseRow).where(LeaseRow.name == name, free).values(holder=holder, expires_at=expires_at)
        try:
            with self._database.session() as session:
                if affected_rows(session, take):
                    return True
                if session.get(LeaseRow, name) is not None:
                    return False
                session.add(LeaseRow(name=name, holder=holder, expires_at=expires_at))
        except IntegrityError:  # another process was the first to take it
            return False
        return True

    def release(self, name: str, holder: str) -> None:
        """Give a lease up; one held by somebody else stays."""
        with self._database.session() as session:
            session.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder))
