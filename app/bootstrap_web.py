"""The part of the composition root that stands between the web and the rest: limits, the line, the numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.config import Settings
from app.domain.accounts import Account
from app.integrations.curated import CuratedAnswers
from app.integrations.secret_key import load_or_create_key
from app.ml.backbone import Backbone
from app.scheduling import LEASE
from app.services.chat import Chat
from app.services.inbox import Inbox
from app.services.limits import Limits
from app.services.metrics import Metrics
from app.services.queueing import ChatQueue
from app.services.readiness import Check, readiness_checks
from app.services.retrieval import Retrieval
from app.services.visitors import Visitors
from app.storage.corrections import Corrections
from app.storage.database import Database
from app.storage.handoffs import Handoffs
from app.storage.statistics import Statistics

KEY_FILE = "visitors.key"


@dataclass(frozen=True)
class WebParts:
    """What the web application shares with the pages."""

    limits: Limits
    chat_queue: ChatQueue
    metrics: Metrics
    readiness: Mapping[str, Check]


def build_web_parts(
    settings: Settings, database: Database, backbone: Backbone, retrieval: Retrieval, clock: Callable[[], datetime]
) -> WebParts:
    """Compose them. Raises ConfigurationError when the data directory cannot keep the visitors' key."""
    statistics, queue = Statistics(database), ChatQueue(settings.answers_at_once, settings.waiting_visitors)
    readiness = readiness_checks(
        statistics,
        backbone.executor.alive,
        lambda: len(retrieval.index.passages),
        clock,
        LEASE if settings.scheduler else "",
    )
    limits = Limits(settings.rates, Visitors(load_or_create_key(settings.data_dir / KEY_FILE)))
    return WebParts(limits, queue, build_metrics(statistics, queue, backbone.executor.waiting), readiness)


def build_inbox(
    settings: Settings,
    database: Database,
    chat: Chat,
    retrieval: Retrieval,
    accounts: Callable[[], Sequence[Account]],
    clock: Callable[[], datetime],
) -> Inbox:
    """The agents' side of the chat."""
    return Inbox(
        Handoffs(database, clock), Corrections(database, clock), chat, retrieval,
        CuratedAnswers(settings.knowledge_dir), accounts, clock,
    )  # fmt: skip


def build_metrics(statistics: Statistics, queue: ChatQueue, steps: Callable[[], int]) -> Metrics:
    """The numbers, with those that are asked for when somebody reads them."""
    metrics = Metrics()
    metrics.watch("chat_waiting", "Visitors in line for an answer.", lambda: {"": queue.waiting()})
    metrics.watch("chat_answering", "Answers that are being written.", lambda: {"": queue.served()})
    metrics.watch("model_steps_waiting", "Steps that wait for the model.", lambda: {"": steps()})
    metrics.watch("articles", "Articles stored, copies included.", lambda: {"": statistics.articles()})
    metrics.watch("alerts", "Alerts by state.", statistics.alerts, "state")
    metrics.watch("deliveries", "Messages by state.", statistics.deliveries, "state")
    metrics.watch(
        "job_last_run_timestamp_seconds",
        "When each job last began.",
        lambda: {run.job: run.started_at.timestamp() for run in statistics.last_runs()},
        "job",
    )
    metrics.watch(
        "job_failed",
        "1 where the last run of a job ended in an error.",
        lambda: {run.job: float(bool(run.error)) for run in statistics.last_runs()},
        "job",
    )
    return metrics
