"""The part of the composition root that lets things happen at their times, and clears away what is old."""

import uuid
from collections.abc import Callable
from datetime import datetime

from app.bootstrap_delivery import Delivery
from app.config import Settings
from app.domain.retention import RetentionPolicy
from app.scheduling import JobScheduler, monitoring_jobs
from app.services.alerting import Alerting
from app.services.gathering import Gathering
from app.services.retention import Retention
from app.storage.database import Database
from app.storage.jobs import JobRuns, Leases, PausedJobs
from app.storage.retention import OldRows


def build_scheduler(
    settings: Settings,
    database: Database,
    gathering: Gathering,
    alerting: Alerting,
    delivery: Delivery,
    clock: Callable[[], datetime],
) -> JobScheduler:
    """The jobs of the monitoring, in the order in which an article meets them."""
    counting = {
        "follow_up": alerting.follow_up,
        "deliver": delivery.delivering.deliver,
        "digests": delivery.digests.write_due,
        "retention": Retention(OldRows(database), retention_policy(settings), clock).run,
    }
    return JobScheduler(
        monitoring_jobs(gathering, alerting, counting, at_hours={"retention": settings.retention_hour}),
        Leases(database),
        JobRuns(database),
        PausedJobs(database),
        clock,
        uuid.uuid4().hex,
        time_zone=settings.time_zone,
    )


def retention_policy(settings: Settings) -> RetentionPolicy:
    """How long rows are kept."""
    return RetentionPolicy(
        settings.retention_articles_days,
        settings.retention_audit_days,
        settings.retention_conversations_days,
        settings.retention_job_runs_days,
    )
