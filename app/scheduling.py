"""The recurring jobs: fetch news, detect spikes, deliver mails. One process at a time runs them."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from app.domain.errors import AppError, Conflict, NotFound
from app.services.alerting import Alerting
from app.services.ingestion import Ingestion
from app.storage.jobs import JobRuns, Leases

log = logging.getLogger(__name__)

LEASE = "scheduler"
INTERVALS: Mapping[str, float] = {"fetch": 60, "detect": 60, "deliver": 30}  # seconds


class JobScheduler:
    """Runs the jobs in the background while this process holds the lease, which each run renews.

    A process that is killed leaves its lease behind; another takes over after `lease_seconds`.
    """

    def __init__(
        self,
        ingestion: Ingestion,
        alerting: Alerting,
        leases: Leases,
        job_runs: JobRuns,
        clock: Callable[[], datetime],
        holder: str,
        intervals: Mapping[str, float] = INTERVALS,
        lease_seconds: float = 90.0,
    ) -> None:
        self._ingestion, self._alerting, self._leases, self._job_runs = ingestion, alerting, leases, job_runs
        self._clock, self._holder, self._intervals, self._lease_seconds = clock, holder, intervals, lease_seconds
        self._jobs: dict[str, Callable[[], tuple[dict[str, int], str]]] = {
            "fetch": self._fetch,
            "detect": self._detect,
            "deliver": self._deliver,
        }
        self._running = {job_id: threading.Lock() for job_id in self._jobs}
        self._scheduler: BackgroundScheduler | None = None

    def start(self) -> None:
        """Begin to run every job, the first time at once."""
        if self._scheduler is not None:
            return
        self._scheduler = BackgroundScheduler(timezone=UTC)
        for job_id in self._jobs:
            self._scheduler.add_job(
                self._run_scheduled,
                "interval",
                args=[job_id],
                id=job_id,
                seconds=self._intervals[job_id],
                next_run_time=datetime.now(UTC),
                coalesce=True,
                max_instances=1,
                misfire_grace_time=60,
            )
        self._scheduler.start()

    def stop(self) -> None:
        """End after the jobs that are running, and let another process take over."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
            self._leases.release(LEASE, self._holder)

    def run_now(self, job_id: str) -> dict[str, int]:
        """Run one job in the caller's thread, after a run of it that is under way; return its counts.

        Raises NotFound for an unknown job, Conflict while another process runs the jobs, and what the job raises.
        """
        if job_id not in self._jobs:
            raise NotFound(f"There is no job {job_id!r}; the jobs are {', '.join(self._jobs)}.")
        if not self._acquire():
            raise Conflict("Another Bellwether process runs the jobs at present; it will do this one in its turn.")
        return self._run(job_id)

    def _run_scheduled(self, job_id: str) -> None:
        if not self._acquire():
            return
        try:
            self._run(job_id)
        except AppError as error:
            log.error("Job %s: %s", job_id, error)
        except Exception:
            log.exception("Job %s failed", job_id)

    def _run(self, job_id: str) -> dict[str, int]:
        """Run a job and record how it went."""
        with self._running[job_id]:
            run_id = self._job_runs.begin(job_id, self._clock())
            try:
                counts, trouble = self._jobs[job_id]()
            except Exception as error:
                reason = (
                    str(error) if isinstance(error, AppError) else f"Unexpected {type(error).__name__}: {error}"
                )
                self._job_runs.finish(run_id, self._clock(), {}, reason)
                raise
            self._job_runs.finish(run_id, self._clock(), counts, trouble)
            return counts

    def _acquire(self) -> bool:
        return self._leases.acquire(LEASE, self._holder, self._clock(), self._lease_seconds)

    def _fetch(self) -> tuple[dict[str, int], str]:
        report = self._ingestion.run_due()
        counts = {
            "sources": report.sources,
            "fetched": report.fetched,
            "new": report.new,
            "duplicates": report.duplicates,
            "failed": len(report.errors),
        }
        return counts, "; ".join(f"{name}: {error}" for name, error in report.errors.items())

    def _detect(self) -> tuple[dict[str, int], str]:
        with self._ingestion.storing:  # half a burst would make half an alert
            return {"alerts": len(self._alerting.detect())}, ""

    def _deliver(self) -> tuple[dict[str, int], str]:
        return self._alerting.deliver(), ""
