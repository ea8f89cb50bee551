"""A whole web application around real storage, with classification by keyword and a scripted reply."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from fastapi.testclient import TestClient

from app.bootstrap_delivery import build_delivery
from app.bootstrap_detection import build_replay, spike_rule
from app.bootstrap_web import build_inbox, build_metrics
from app.config import load_settings
from app.domain.api_keys import SCOPES
from app.domain.news import TOPICS, Classification, Excerpt
from app.integrations.documents import read_folder
from app.services.accounts import AccountService
from app.services.api_keys import ApiKeys
from app.services.chat import Chat
from app.services.decisions import Thresholds
from app.services.export import Export
from app.services.indexing import build_index
from app.services.limits import Limits
from app.services.queueing import ChatQueue
from app.services.readiness import readiness_checks
from app.services.retrieval import Retrieval
from app.services.visitors import Visitors
from app.storage.accounts import Accounts
from app.storage.alerts import Alerts
from app.storage.api_keys import StoredApiKeys
from app.storage.article_corrections import ArticleCorrections
from app.storage.articles import Articles
from app.storage.audit import Audit
from app.storage.conversations import Conversations
from app.storage.database import open_database
from app.storage.exports import ExportRows
from app.storage.outbox import Outbox
from app.storage.silences import Silences
from app.storage.sources import Sources
from app.storage.statistics import Statistics
from app.storage.watchlist import Watchlist
from tests import fakes
from tests.knowledge import CountingEmbedder, write_knowledge

NAME, PASSWORD = "ada", "correct horse battery"
ALWAYS_COMPOSE = Thresholds(template=1.01, answer=0.0, clarify_margin=0.0, whole=2.0)
REPLY = "Freeze it in the app [1]."


class Classifier:
    """Keyword classification with the signature of the real one; remembers what it was asked."""

    titles: ClassVar = {**TOPICS, "cyber": "IT incidents"}

    def __init__(self) -> None:
        self.asked: list[Excerpt] = []

    def classify(self, texts: Sequence[Excerpt], priority: object = None) -> list[Classification]:
        self.asked += texts
        return fakes.classify(texts)


@contextmanager
def web_services(folder: Path, clock: Callable[[], datetime], **overrides: Any) -> Iterator[Any]:
    """What create_app needs. `key` opens every scope; 'ada' is an analyst. Sign-ins are not limited."""
    settings = load_settings(
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'web.db'}",
        **{"rate_sign_in": "", "knowledge_dir": folder / "knowledge", **overrides},
    )
    database = open_database(settings.effective_database_url)
    accounts = AccountService(Accounts(database), clock)
    accounts.create_account(NAME, PASSWORD, "analyst")
    keys = ApiKeys(StoredApiKeys(database), clock)
    statistics, queue = Statistics(database), ChatQueue(settings.answers_at_once, settings.waiting_visitors)
    metrics = build_metrics(statistics, queue, lambda: 0)
    embedder, responder = CountingEmbedder(), fakes.ScriptedResponder(REPLY)
    index, _ = build_index(
        write_knowledge(folder / "knowledge"), folder / "index", embedder, read_folder, lambda _what, _done: None
    )
    conversations, retrieval = Conversations(database), Retrieval(index, embedder)
    chat = Chat(
        conversations, retrieval, responder, ALWAYS_COMPOSE, clock,
        top_k=3, max_question_chars=settings.max_question_chars, observe=metrics.reply,
    )  # fmt: skip
    delivery = build_delivery(settings, database, spike_rule(settings), Classifier.titles, clock)
    yield SimpleNamespace(
        settings=settings,
        database=database,
        accounts=accounts,
        api_keys=keys,
        key=keys.create("everything", SCOPES),
        articles=Articles(database),
        alerts=Alerts(database),
        outbox=Outbox(database),
        sources=Sources(database),
        classifier=Classifier(),
        gathering=None,
        sample=None,
        silences=Silences(database),
        audit=Audit(database),
        watchlist=Watchlist(database),
        entities=None,
        replay=build_replay(settings, database, delivery.subscriptions),
        subscriptions=delivery.subscriptions,
        composing=delivery.composing,
        delivering=delivery.delivering,
        mail_links=delivery.mail_links,
        pushing=None,
        conversations=conversations,
        responder=responder,
        chat=chat,
        inbox=build_inbox(settings, database, chat, retrieval, accounts.accounts, clock),
        export=Export(Articles(database), ExportRows(database)),
        article_corrections=ArticleCorrections(database),
        chat_queue=queue,
        limits=Limits(settings.rates, Visitors(b"key of the tests")),
        metrics=metrics,
        readiness=readiness_checks(statistics, lambda: True, lambda: len(index.passages), clock),
        count_tokens=lambda text: len(text.split()),
    )
    database.close()


def sign_in(client: TestClient, name: str = NAME, password: str = PASSWORD, **fields: str) -> Any:
    """Send the form; the client keeps the cookie."""
    return client.post("/sign-in", data={"username": name, "password": password, **fields})


def form_token(client: TestClient) -> str:
    """The token with which a signed-in client may write."""
    return client.get("/api/v1/session").json()["csrf_token"]


def with_key(services: Any, *scopes: str, name: str = "") -> dict[str, str]:
    """Headers of a key with these scopes, or with all."""
    key = services.api_keys.create(name or " ".join(scopes), scopes) if scopes else services.key
    return {"Authorization": f"Bearer {key}"}
