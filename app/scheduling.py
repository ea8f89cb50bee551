"""The recurring jobs, from fetching news to clearing away what is old. One process at a time runs them."""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from app.domain.errors import AppError, Conflict, LeaseLost, NotFound, StorageUnavailable, reason_of
from app.domain.jobs import JobStatus
from app.services.alerting import Alerting
from app.services.gathering import Gathering
from app.storage.database import guarded
from app.storage.jobs import JobRuns, Leases, PausedJobs

log = logging.getLogger(__name__)

LEASE = "scheduler"
HEARTBEAT = "lease"
INTERVALS: Mapping[str, float] = {  # seconds
    "fetch": 60, "detect": 60, "deliver": 30, "follow_up": 60, "digests": 300,
}  # fmt: skip
JobResult = tuple[Mapping[str, int], str]  # counts, and what went wrong although the job came to its end


@dataclass(frozen=True)
class Job:
    """What is run, and when: every so many seconds, or once a day at an hour of the scheduler's time zone."""

    run: Callable[[], JobResult]
    seconds: float = 60.0
    at_hour: int | None = None


def monitoring_jobs(
    gathering: Gathering,
    alerting: Alerting,
    counting: Mapping[str, Callable[[], Mapping[str, int]]],
    intervals: Mapping[str, float] = INTERVALS,
    at_hours: Mapping[str, int] | None = None,
) -> dict[str, Job]:
    """The jobs of the monitoring: fetch, detect, and those of `counting`, which return their counts.

    A job of `at_hours` runs once a day.
    """

    def fetch() -> JobResult:
        report = gathering.run_due()
        counts = {
            "sources": report.sources,
            "fetched": report.fetched,
            "new": report.new,
            "duplicates": report.duplicates,
            "failed": len(report.errors),
        }
        return counts, "; ".join(f"{name}: {error}" for name, error in report.errors.items())

    def detect() -> JobResult:
        with gathering.storing:  # half a burst would make half an alert
            return {"alerts": len(alerting.detect())}, ""

    def counted(run: Callable[[], Mapping[str, int]]) -> Callable[[], JobResult]:
        return lambda: (run(), "")

    daily = at_hours or {}
    runs = {"fetch": fetch, "detect": detect, **{name: counted(run) for name, run in counting.items()}}
    return {name: Job(run, intervals.get(name, 60.0), daily.get(name)) for name, run in runs.items()}


class JobScheduler:
    """Runs the jobs in the background while this process holds the lease, which a heartbeat renews.

    A process that is killed leaves its lease behind; another takes over after `lease_seconds`. A process that
    was only held up meanwhile writes nothing more in its jobs: their transactions check the lease's fence
    number. Each job has a thread of its own, so that none waits for another; a job that is late runs once,
    however often it was missed.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        leases: Leases,
        job_runs: JobRuns,
        paused: PausedJobs,
        clock: Callable[[], datetime],
        holder: str,
        lease_seconds: float = 90.0,
        time_zone: str = "UTC",
    ) -> None:
        self._jobs, self._leases, self._job_runs, self._paused = dict(jobs), leases, job_runs, paused
        self._clock, self._holder, self._lease_seconds = clock, holder, lease_seconds
        self._zone = ZoneInfo(time_zone)
        self._running = {job_id: threading.Lock() for job_id in self._jobs}
        self._scheduler: BackgroundScheduler | None = None

    def start(self) -> None:
        """Begin to run the jobs: the recurring ones at once, a daily one too if its last day was missed."""
        if self._scheduler is not None:
            return
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # that a slow job is not run twice is no news
        pool = ThreadPoolExecutor(len(self._jobs) + 1)
        once = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone=UTC, executors={"default": pool}, job_defaults=once)
        self._scheduler.add_job(
            self._acquire_quietly, IntervalTrigger(seconds=self._lease_seconds / 3, timezone=UTC), id=HEARTBEAT
        )
        for job_id, job in self._jobs.items():
            at_once = {"next_run_time": datetime.now(UTC)} if self._is_late(job_id) else {}
            self._scheduler.add_job(self._run_scheduled, self._trigger(job), args=[job_id], id=job_id, **at_once)
        self._scheduler.start()

    def stop(self) -> None:
        """End after the jobs that are running, and let another process take over."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
            with contextlib.suppress(StorageUnavailable):  # then it lapses
                self._leases.release(LEASE, self._holder)

    def run_now(self, job_id: str) -> dict[str, int]:
        """Run one job in the caller's thread, after a run of it that is under way; return its counts.

        A paused job runs too, since somebody asks for it. Raises NotFound for an unknown job, Conflict while
        another process runs the jobs, and what the job raises.
        """
        self._require(job_id)
        fence = self._acquire()
        if fence is None:
            raise Conflict("Another Bellwether process runs the jobs at present; it will do this one in its turn.")
        return self._run(job_id, fence)

    def pause(self, job_id: str, by: str) -> None:
        """Run a job no more at its times, in any process, until it is resumed. Raises NotFound."""
        self._require(job_id)
        self._paused.add(job_id, by, self._clock())

    def resume(self, job_id: str, by: str) -> None:
        """Run a job at its times again. Raises NotFound."""
        self._require(job_id)
        self._paused.remove(job_id, by, self._clock())

    def paused(self) -> set[str]:
        """The jobs that are paused."""
        return self._paused.all().keys() & self._jobs.keys()

    def status(self) -> list[JobStatus]:
        """Every job, in the order in which an article meets them."""
        pauses, latest = self._paused.all(), self._job_runs.latest(self._jobs)
        scheduler = self._scheduler
        found = []
        for job_id, lock in self._running.items():
            planned = scheduler.get_job(job_id) if scheduler else None
            next_at = planned.next_run_time if planned and job_id not in pauses else None
            found.append(JobStatus(job_id, lock.locked(), pauses.get(job_id), next_at, latest.get(job_id)))
        return found

    def _require(self, job_id: str) -> None:
        if job_id not in self._jobs:
            raise NotFound(f"There is no job {job_id!r}; the jobs are {', '.join(self._jobs)}.")

    def _trigger(self, job: Job) -> BaseTrigger:
        if job.at_hour is None:
            return IntervalTrigger(seconds=job.seconds, timezone=UTC)
        return CronTrigger(hour=job.at_hour, minute=0, timezone=self._zone)

    def _is_late(self, job_id: str) -> bool:
        daily = self._jobs[job_id].at_hour is not None
        return not daily or not self._job_runs.ended(job_id, since=self._clock() - timedelta(days=1))

    def _run_scheduled(self, job_id: str) -> None:
        try:
            fence = self._acquire()
            if fence is not None and job_id not in self._paused.all():
                self._run(job_id, fence)
        except (StorageUnavailable, LeaseLost) as error:
            log.warning("Job %s: %s", job_id, error)
        except AppError as error:
            log.error("Job %s: %s", job_id, error)
        except Exception:
            log.exception("Job %s failed", job_id)

    def _run(self, job_id: str, fence: int) -> dict[str, int]:
        """Run a job and record how it went."""
        with self._running[job_id]:
            run_id = self._job_runs.begin(job_id, self._clock())
            try:
                with guarded(self._leases.fence_check(LEASE, fence)):
                    counts, trouble = self._jobs[job_id].run()
            except Exception as error:
                with contextlib.suppress(StorageUnavailable):  # the first error says more
                    self._job_runs.finish(run_id, self._clock(), {}, reason_of(error))
                raise
            self._job_runs.finish(run_id, self._clock(), counts, trouble)
            return dict(counts)

    def _acquire(self) -> int | None:
        return self._leases.acquire(LEASE, self._holder, self._clock(), self._lease_seconds)

    def _acquire_quietly(self) -> None:
        try:
            self._acquire()
        except StorageUnavailable as error:
            log.warning("The lease was not renewed: %s", error)
