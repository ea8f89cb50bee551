"""Leases: one holder at a time. Job runs: a record of the last week."""

from datetime import UTC, datetime, timedelta

import pytest
from concurrency import in_threads

from app.domain.jobs import JobRun
from app.storage.database import Database
from app.storage.jobs import JobRuns, Leases

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
    assert sum(in_threads(8, lambda n: leases.acquire("new", f"{n}", NOW, 90))) == 1
    later = NOW + 90 * SECOND
    assert sum(in_threads(8, lambda n: leases.acquire("new", f"late {n}", later, 90))) == 1


def test_job_run_is_recorded_from_beginning_to_end(job_runs: JobRuns) -> None:
    first, second = job_runs.begin("fetch", NOW), job_runs.begin("deliver", NOW + SECOND)
    job_runs.finish(first, NOW + 5 * SECOND, {"new": 3}, "one source failed")
    assert job_runs.recent(10) == [
        JobRun(second, "deliver", NOW + SECOND),
        JobRun(first, "fetch", NOW, NOW + 5 * SECOND, {"new": 3}, "one source failed"),
    ]
    assert [run.id for run in job_runs.recent(1)] == [second]


def test_job_runs_older_than_a_week_are_dropped(job_runs: JobRuns) -> None:
    job_runs.begin("fetch", NOW)
    job_runs.begin("fetch", NOW + timedelta(days=7))
    assert len(job_runs.recent()) == 2
    job_runs.begin("fetch", NOW + timedelta(days=7, seconds=1))
    assert len(job_runs.recent()) == 2
