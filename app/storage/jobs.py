"""What the scheduler did, which jobs are paused, and which process may run them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.errors import LeaseLost
from app.domain.jobs import JobPause, JobRun
from app.storage.audit import record
from app.storage.database import Database
from app.storage.tables import JobRunRow, LeaseRow, PausedJobRow

CUT_SHORT = "The program stopped during this run."


class JobRuns:
    """The record of scheduled jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: str, now: datetime) -> int:
        """Note that a job has started and return the run's id.

        There is one run of a job at a time, so that an earlier one without an end was cut short.
        """
        row = JobRunRow(job=job, started_at=now)
        without_end = update(JobRunRow).where(JobRunRow.job == job, JobRunRow.ended_at.is_(None))
        with self._database.session() as session:
            session.execute(without_end.values(ended_at=now, error=CUT_SHORT))
            session.add(row)
        return row.id

    def finish(self, run_id: int, now: datetime, counts: Mapping[str, int], error: str = "") -> None:
        change = update(JobRunRow).where(JobRunRow.id == run_id)
        with self._database.session() as session:
            session.execute(change.values(ended_at=now, counts=dict(counts), error=error))

    def ended(self, job: str, since: datetime | None = None) -> bool:
        """Whether a run of this job, begun at `since` or later, has come to its end without an error."""
        query = select(JobRunRow.id).where(
            JobRunRow.job == job, JobRunRow.ended_at.is_not(None), JobRunRow.error == ""
        )
        if since is not None:
            query = query.where(JobRunRow.started_at >= since)
        with self._database.reading() as session:
            return session.scalars(query.limit(1)).first() is not None

    def latest(self, jobs: Iterable[str]) -> dict[str, JobRun]:
        """The latest run of each of these jobs that has ever run."""
        with self._database.reading() as session:
            newest = {
                job: session.scalars(
                    select(JobRunRow).where(JobRunRow.job == job).order_by(JobRunRow.id.desc()).limit(1)
                ).first()
                for job in jobs
            }
            return {job: _run(row) for job, row in newest.items() if row is not None}

    def recent(self, limit: int = 50) -> list[JobRun]:
        """The latest runs, newest first."""
        query = select(JobRunRow).order_by(JobRunRow.id.desc()).limit(limit)
        with self._database.reading() as session:
            return [_run(row) for row in session.scalars(query)]


class PausedJobs:
    """Jobs that are not run at their times, for every process that shares the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job: str, by: str, now: datetime) -> None:
        """Pause a job; one that is paused already stays as it is."""
        try:
            with self._database.session() as session:
                if session.get(PausedJobRow, job) is None:
                    session.add(PausedJobRow(job=job, paused_by=by, at=now))
                    record(session, now, by, "pause", "job", job)
        except IntegrityError:  # somebody else was the first to pause it
            return

    def remove(self, job: str, by: str, now: datetime) -> None:
        """Let a job run at its times again; nothing happens to one that is not paused."""
        with self._database.session() as session:
            row = session.get(PausedJobRow, job, with_for_update=True)
            if row is not None:
                session.delete(row)
                record(session, now, by, "resume", "job", job)

    def all(self) -> dict[str, JobPause]:
        """The paused jobs by name."""
        with self._database.reading() as session:
            return {
                row.job: JobPause(row.job, row.paused_by, row.at) for row in session.scalars(select(PausedJobRow))
            }


class Leases:
    """Named leases: each is held by at most one holder at a time, and lapses unless it is renewed.

    A fence number grows with every new holder of a lease. Who was held up past the end of its lease and goes
    on is told from the present holder by it (M. Kleppmann, "How to do distributed locking", 2016).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, holder: str, now: datetime, seconds: float) -> int | None:
        """Take or renew a lease until `seconds` from `now`; its fence number, or None: somebody else holds it."""
        expires_at = now + timedelta(seconds=seconds)
        try:
            with self._database.session() as session:
                row = session.get(LeaseRow, name, with_for_update=True)
                if row is None:
                    row = LeaseRow(name=name, holder=holder, expires_at=expires_at, fence=1)
                    session.add(row)
                elif row.holder == holder:
                    row.expires_at = expires_at
                elif row.holder == "" or row.expires_at <= now:
                    row.holder, row.expires_at, row.fence = holder, expires_at, row.fence + 1
                else:
                    return None
        except IntegrityError:  # another process was the first to take it
            return None
        return row.fence

    def release(self, name: str, holder: str) -> None:
        """Give a lease up; one held by somebody else stays. Its fence number is kept, to grow on."""
        change = update(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder)
        with self._database.session() as session:
            session.execute(change.values(holder=""))

    def holds(self, name: str, fence: int) -> bool:
        """Whether nobody has taken the lease since it was given out with this fence number."""
        with self._database.reading() as session:
            return session.scalar(select(LeaseRow.fence).where(LeaseRow.name == name)) == fence

    def fence_check(self, name: str, fence: int) -> Callable[[Session], None]:
        """A check for app.storage.database.guarded: a transaction under it commits only while the lease stands.

        PostgreSQL keeps a new holder waiting until the transaction has ended; SQLite has one writer anyway.
        It raises LeaseLost.
        """
        query = select(LeaseRow.fence).where(LeaseRow.name == name).with_for_update(read=True)

        def check(session: Session) -> None:
            if session.scalar(query) != fence:
                raise LeaseLost("Another Bellwether process has taken over the jobs; this one left off.")

        return check


def _run(row: JobRunRow) -> JobRun:
    return JobRun(row.id, row.job, row.started_at, row.ended_at, row.counts, row.error)
