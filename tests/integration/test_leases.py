"""Leases: one holder at a time, told by its fence number. Job runs: a record."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from concurrency import in_threads
from sqlalchemy import select

from app.domain.errors import LeaseLost
from app.domain.jobs import JobPause, JobRun
from app.storage.audit import Audit
from app.storage.conversations import Conversations
from app.storage.database import Database, guarded
from app.storage.jobs import CUT_SHORT, JobRuns, Leases, PausedJobs
from app.storage.tables import ConversationRow

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


@pytest.fixture
def job_runs(database: Database) -> JobRuns:
    return JobRuns(database)


def test_acquire_is_for_one_holder_until_it_lapses(leases: Leases) -> None:
    assert leases.acquire("scheduler", "one", NOW, 90)
    assert not leases.acquire("scheduler", "two", NOW + 89 * SECOND, 90)
    assert leases.acquire("scheduler", "two", NOW + 90 * SECOND, 90)
    assert not leases.acquire("scheduler", "one", NOW + 91 * SECOND, 90)


def test_acquire_again_renews(leases: Leases) -> None:
    assert leases.acquire("scheduler", "one", NOW, 90)
    assert leases.acquire("scheduler", "one", NOW + 60 * SECOND, 90)
    assert not leases.acquire("scheduler", "two", NOW + 100 * SECOND, 90)


def test_acquire_other_names_is_independent(leases: Leases) -> None:
    assert leases.acquire("scheduler", "one", NOW, 90)
    assert leases.acquire("other", "two", NOW, 90)


def test_release_frees_only_the_own_lease(leases: Leases) -> None:
    leases.acquire("scheduler", "one", NOW, 90)
    leases.release("scheduler", "two")
    assert not leases.acquire("scheduler", "two", NOW, 90)
    leases.release("scheduler", "one")
    assert leases.acquire("scheduler", "two", NOW, 90)


def test_acquire_by_several_at_once_has_one_winner(leases: Leases) -> None:
    assert sorted(filter(None, in_threads(8, lambda n: leases.acquire("new", f"{n}", NOW, 90)))) == [1]
    later = NOW + 90 * SECOND
    assert sorted(filter(None, in_threads(8, lambda n: leases.acquire("new", f"late {n}", later, 90)))) == [2]


def test_fence_grows_with_every_new_holder_and_with_no_renewal(leases: Leases) -> None:
    assert [leases.acquire("scheduler", "one", NOW + n * SECOND, 90) for n in range(3)] == [1, 1, 1]
    assert leases.acquire("scheduler", "two", NOW + 200 * SECOND, 90) == 2
    assert not leases.holds("scheduler", 1)
    assert leases.holds("scheduler", 2)
    leases.release("scheduler", "two")
    assert leases.acquire("scheduler", "one", NOW + 201 * SECOND, 90) == 3
    assert not leases.holds("nothing", 1)


def test_transaction_under_a_lost_lease_writes_nothing(database: Database, leases: Leases) -> None:
    conversations = Conversations(database)
    fence = leases.acquire("scheduler", "one", NOW, 90)
    assert fence is not None
    with guarded(leases.fence_check("scheduler", fence)):
        kept = conversations.start(NOW)
        leases_of_another = Leases(database)
        in_threads(1, lambda _: leases_of_another.acquire("scheduler", "two", NOW + 91 * SECOND, 90))
        with pytest.raises(LeaseLost, match="Another"):
            conversations.start(NOW)
    after = conversations.start(NOW)
    with database.reading() as session:
        assert set(session.scalars(select(ConversationRow.id))) == {kept, after}


def test_new_holder_waits_for_a_transaction_under_the_old_lease(database: Database, leases: Leases) -> None:
    """Otherwise what the old holder commits last would come after what the new one does first."""
    order: list[str] = []
    begun = threading.Event()
    fence = leases.acquire("scheduler", "one", NOW, 90)
    assert fence is not None

    def act(number: int) -> None:
        if number:
            begun.wait(10)
            leases.acquire("scheduler", "two", NOW + 91 * SECOND, 90)
            order.append("taken over")
            return
        with guarded(leases.fence_check("scheduler", fence)), database.session() as session:
            session.add(ConversationRow(id="a", started_at=NOW))
            session.flush()
            begun.set()
            time.sleep(0.3)
            order.append("written")

    in_threads(2, act)
    assert order == ["written", "taken over"]


def test_job_run_is_recorded_from_beginning_to_end(job_runs: JobRuns) -> None:
    first, second = job_runs.begin("fetch", NOW), job_runs.begin("deliver", NOW + SECOND)
    job_runs.finish(first, NOW + 5 * SECOND, {"new": 3}, "one source failed")
    assert job_runs.recent(10) == [
        JobRun(second, "deliver", NOW + SECOND),
        JobRun(first, "fetch", NOW, NOW + 5 * SECOND, {"new": 3}, "one source failed"),
    ]
    assert [run.id for run in job_runs.recent(1)] == [second]


def test_run_without_an_end_is_closed_by_the_next_one(job_runs: JobRuns) -> None:
    lost, other = job_runs.begin("fetch", NOW), job_runs.begin("deliver", NOW)
    later = job_runs.begin("fetch", NOW + 9 * SECOND)
    assert [(run.id, run.ended_at, run.error) for run in job_runs.recent()] == [
        (later, None, ""),
        (other, None, ""),
        (lost, NOW + 9 * SECOND, CUT_SHORT),
    ]
    assert not job_runs.ended("fetch")
    job_runs.finish(later, NOW + 10 * SECOND, {})
    assert job_runs.ended("fetch", since=NOW + 9 * SECOND)
    assert not job_runs.ended("fetch", since=NOW + 10 * SECOND)


def test_latest_gives_the_last_run_of_each_job(job_runs: JobRuns) -> None:
    ids = [job_runs.begin(job, NOW) for job in ("fetch", "deliver", "fetch")]
    assert {job: run.id for job, run in job_runs.latest(["fetch", "deliver", "dance"]).items()} == {
        "fetch": ids[2],
        "deliver": ids[1],
    }


def test_paused_jobs_are_kept_with_their_author_and_audited(database: Database) -> None:
    paused = PausedJobs(database)
    paused.add("fetch", "wei", NOW)
    paused.add("fetch", "ana", NOW + SECOND)
    assert PausedJobs(database).all() == {"fetch": JobPause("fetch", "wei", NOW)}
    paused.remove("fetch", "ana", NOW + 2 * SECOND)
    paused.remove("fetch", "ana", NOW + 3 * SECOND)
    assert paused.all() == {}
    found = [(e.actor, e.action, e.subject, e.subject_id, e.at) for e in Audit(database).entries()]
    assert found == [
        ("ana", "resume", "job", "fetch", NOW + 2 * SECOND),
        ("wei", "pause", "job", "fetch", NOW),
    ]
