"""The scheduler: jobs side by side, paused, run now, late, and in a process that has lost its lease."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Conflict, LeaseLost, NotFound
from app.scheduling import LEASE, Job, JobResult, JobScheduler
from app.storage.audit import Audit
from app.storage.conversations import Conversations
from app.storage.database import Database
from app.storage.jobs import JobRuns, Leases, PausedJobs
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
Build = Callable[..., JobScheduler]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def build(database: Database, clock: ManualClock) -> Iterator[Build]:
    """Makes schedulers on one database; all are stopped at the end."""
    with ExitStack() as ends:

        def make(holder: str = "one", clock: Callable[[], datetime] = clock, **jobs: Job) -> JobScheduler:
            made = JobScheduler(
                jobs, Leases(database), JobRuns(database), PausedJobs(database), clock, holder, lease_seconds=3
            )
            ends.callback(made.stop)
            return made

        yield make


class Counted:
    """A job that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> JobResult:
        self.runs += 1
        return {"runs": self.runs}, ""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_slow_job_delays_no_other(build: Build) -> None:
    release, quick = threading.Event(), Counted()

    def slow() -> JobResult:
        release.wait(30)
        return {}, ""

    scheduler = build(fetch=Job(slow, 0.05), detect=Job(quick, 0.05), deliver=Job(quick, 0.05))
    scheduler.start()
    wait_until(lambda: quick.runs >= 10)
    assert {status.job: status.running for status in scheduler.status()}["fetch"]
    release.set()


def test_paused_job_runs_when_asked_and_at_no_other_time(build: Build, database: Database) -> None:
    paused, other = Counted(), Counted()
    scheduler = build(fetch=Job(paused, 0.05), detect=Job(other, 0.05))
    scheduler.pause("fetch", "wei")
    scheduler.start()
    wait_until(lambda: other.runs >= 5)
    assert paused.runs == 0
    assert scheduler.paused() == {"fetch"}
    assert scheduler.run_now("fetch") == {"runs": 1}
    (status, _) = scheduler.status()
    assert status.pause is not None
    assert (status.pause.by, status.next_at) == ("wei", None)
    scheduler.resume("fetch", "ana")
    wait_until(lambda: paused.runs >= 3)
    assert scheduler.status()[0].next_at is not None
    entries = [(e.actor, e.action, e.subject_id) for e in Audit(database).entries("job")]
    assert entries == [("ana", "resume", "fetch"), ("wei", "pause", "fetch")]


def test_pause_holds_in_every_process_and_after_a_restart(build: Build) -> None:
    job = Counted()
    build("one", fetch=Job(job)).pause("fetch", "wei")
    again = build("two", fetch=Job(job, 0.05), detect=Job(other := Counted(), 0.05))
    again.start()
    wait_until(lambda: other.runs >= 3)
    assert job.runs == 0


def test_unknown_job_can_be_neither_paused_nor_resumed(build: Build) -> None:
    scheduler = build(fetch=Job(Counted()))
    for act in (scheduler.pause, scheduler.resume):
        with pytest.raises(NotFound, match="fetch"):
            act("dance", "wei")


def test_missed_times_become_one_run(build: Build) -> None:
    """A process that stood still for forty intervals makes up for none of them but the last."""
    job, blocked = Counted(), threading.Event()

    def sometimes_slow() -> JobResult:
        job()
        if job.runs == 1:
            blocked.wait(30)
        return {}, ""

    scheduler = build(fetch=Job(sometimes_slow, 0.05))
    scheduler.start()
    wait_until(lambda: job.runs == 1)
    assert scheduler._scheduler is not None
    scheduler._scheduler.pause()
    time.sleep(1)
    blocked.set()
    before = time.monotonic()
    scheduler._scheduler.resume()
    wait_until(lambda: job.runs >= 2)
    time.sleep(0.2)
    assert job.runs - 1 <= (time.monotonic() - before) / 0.05 + 2


def test_daily_job_runs_at_the_start_only_where_its_day_was_missed(build: Build, database: Database) -> None:
    runs, daily = JobRuns(database), Counted()
    runs.finish(runs.begin("retention", NOW - timedelta(hours=23)), NOW, {})
    other = Counted()
    hour = (datetime.now(UTC) + timedelta(hours=12)).hour
    first = build("one", retention=Job(daily, at_hour=hour), detect=Job(other, 0.05))
    first.start()
    wait_until(lambda: other.runs >= 3)
    assert daily.runs == 0
    assert first.status()[0].next_at is not None
    first.stop()
    build("two", lambda: NOW + timedelta(hours=2), retention=Job(daily, at_hour=hour)).start()
    wait_until(lambda: daily.runs == 1)


def test_second_process_waits_and_takes_over(build: Build) -> None:
    mine, theirs = Counted(), Counted()
    first = build("one", lambda: datetime.now(UTC), fetch=Job(mine, 0.05))
    second = build("two", lambda: datetime.now(UTC), fetch=Job(theirs, 0.05))
    first.start()
    wait_until(lambda: mine.runs >= 1)
    second.start()
    wait_until(lambda: mine.runs >= 10)
    assert theirs.runs == 0
    with pytest.raises(Conflict, match="Another"):
        second.run_now("fetch")
    first.stop()
    wait_until(lambda: theirs.runs >= 1)


def test_heartbeat_keeps_the_lease_through_a_long_job(build: Build, database: Database) -> None:
    release = threading.Event()

    def long() -> JobResult:
        release.wait(30)
        return {}, ""

    scheduler = build("one", lambda: datetime.now(UTC), fetch=Job(long, 60))
    scheduler.start()
    wait_until(lambda: scheduler.status()[0].running)
    time.sleep(3.5)  # longer than the lease
    assert Leases(database).acquire(LEASE, "two", datetime.now(UTC), 3) is None
    release.set()


def test_process_that_was_held_up_past_its_lease_writes_nothing_more(
    build: Build, database: Database, clock: ManualClock
) -> None:
    conversations, steps = Conversations(database), []

    def held_up() -> JobResult:
        steps.append(conversations.start(NOW))
        clock.advance(seconds=10)
        assert Leases(database).acquire(LEASE, "two", clock.now, 90) == 2
        steps.append(conversations.start(NOW))
        return {}, ""

    scheduler = build("one", fetch=Job(held_up))
    writes_of_two = Conversations(database)
    with pytest.raises(LeaseLost):
        scheduler.run_now("fetch")
    assert len(steps) == 1
    (run,) = JobRuns(database).recent()
    assert "taken over" in run.error
    assert run.ended_at == clock.now
    assert writes_of_two.start(NOW), "who is no job writes on"
