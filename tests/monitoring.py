"""The monitoring side of the product in small: real storage, feeds and mail, with a classifier by keyword."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from xml.sax.saxutils import escape

from aiosmtpd.controller import Controller

from app.domain.alerts import AlertPolicy
from app.domain.news import TOPICS, FeedItem
from app.domain.spikes import SpikeRule
from app.integrations.channels import Channels
from app.integrations.extraction import detect_language, extract_page
from app.integrations.feeds import parse_feed
from app.integrations.fetcher import Fetcher
from app.integrations.mailer import Mailer
from app.integrations.reading import read_answer_of
from app.scheduling import JobScheduler, monitoring_jobs
from app.services.alerting import Alerting
from app.services.article_texts import ArticleTexts
from app.services.composing import Composing
from app.services.delivery import Delivering
from app.services.digests import Digests
from app.services.entities import Entities
from app.services.gathering import Gathering
from app.services.ingestion import Ingestion, canonical_url
from app.services.mail_links import MailLinks
from app.services.stories import Stories
from app.services.subscriptions import Subscriptions
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.digests import DigestFigures
from app.storage.jobs import JobRuns, Leases, PausedJobs
from app.storage.outbox import Outbox
from app.storage.silences import Silences
from app.storage.sources import Sources
from app.storage.stories import Sketches
from app.storage.subscriptions import StoredSubscriptions, UsedTokens
from app.storage.watchlist import Watchlist
from tests.fakes import classify_articles, classify_towards

RECIPIENTS = ("desk@larkmoor.example", "risk@larkmoor.example")
AT_ONCE = AlertPolicy(group_wait_minutes=0)
INTERVALS = {"fetch": 0.3, "detect": 0.3, "deliver": 0.3}


class Monitoring:
    """Everything from sources to the outbox on one database."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        smtp_port: int | None = None,
        recipients: Sequence[str] = RECIPIENTS,
        rule: SpikeRule = SpikeRule(),  # noqa: B008 - frozen
        holder: str = "this process",
        intervals: dict[str, float] = INTERVALS,
        alert_policy: AlertPolicy = AT_ONCE,
    ) -> None:
        self.sources, self.articles = Sources(database), Articles(database)
        self.alerts, self.silences = Alerts(database, clock), Silences(database)
        self.outbox, self.job_runs = Outbox(database), JobRuns(database)
        fetcher = Fetcher(5, 1_000_000, allow_private_addresses=True, sleep=lambda seconds: None)
        self.watchlist = Watchlist(database)
        self.entities = Entities(self.watchlist, self.articles, classify_towards)
        self.ingestion = Ingestion(
            self.articles,
            parse_feed,
            detect_language,
            classify_articles,
            Stories(Sketches(database), self.articles),
            self.entities,
            clock,
        )
        texts = ArticleTexts(fetcher, extract_page, self.articles.known_urls, canonical_url)
        self.gathering = Gathering(self.sources, self.ingestion, fetcher, read_answer_of, texts, clock)
        self.subscriptions = Subscriptions(StoredSubscriptions(database), recipients, clock, "Europe/London")
        self.delivering = delivering(database, clock, self.subscriptions, smtp_port)
        self.alerting = Alerting(
            self.articles,
            self.alerts,
            rule,
            self.subscriptions.recipients,
            "larkmoor.example",
            clock,
            self.silences,
            alert_policy,
        )
        self.scheduler = JobScheduler(
            monitoring_jobs(
                self.gathering,
                self.alerting,
                {"follow_up": self.alerting.follow_up, "deliver": self.delivering.deliver},
                intervals,
            ),
            Leases(database),
            self.job_runs,
            PausedJobs(database),
            clock,
            holder,
            lease_seconds=3,
        )


def delivering(
    database: Database,
    clock: Callable[[], datetime],
    subscriptions: Subscriptions,
    smtp_port: int | None,
    draw: Callable[..., bytes] = lambda *_: b"",
) -> Delivering:
    """Delivery to an SMTP server on loopback, without pictures (unless `draw` makes them) and without chance."""
    alerts, articles = Alerts(database), Articles(database)
    digests = Digests(
        StoredSubscriptions(database), articles, alerts, DigestFigures(database), "larkmoor.example", clock
    )
    links = MailLinks(
        b"k" * 64,
        "https://watch.larkmoor.example",
        subscriptions,
        UsedTokens(database),
        clock,
        alerts.get,
        lambda alert_id, by: alerts.change(alert_id, "acknowledge", by),
        lambda alert, by, until: None,
    )
    composing = Composing(alerts, articles, digests, subscriptions, links, SpikeRule(), draw, TOPICS, clock)
    return Delivering(
        Outbox(database),
        composing.compose,
        composing.held_until,
        Mailer("127.0.0.1", smtp_port, "none", timeout=5) if smtp_port else None,
        Channels(allow_private_addresses=True),
        "Bellwether <watch@larkmoor.example>",
        "larkmoor.example",
        clock,
        chance=lambda: 0.5,
        claim=timedelta(seconds=2),
    )


def calm_items(until: datetime, days: int = 7) -> list[FeedItem]:
    """Mixed news, one piece in two hours; a bad one on cyber every other day."""
    items = []
    for number in range(12 * days):
        title = f"Notice {number}: the harbour board lists berth {number * 7 % 90} for the coming season"
        if number % 24 == 5:
            title = f"Hack number {number} reported at a small dealer in district {number * 5 % 80}"
        at = until - timedelta(hours=2 * (12 * days - number))
        text = f"Reference {number * 7919}. " + " ".join(f"detail{number * 31 + i * i}" for i in range(12))
        items.append(FeedItem(f"https://calm.example/{at:%j}/{number}", title, text, at))
    return items


def burst_items(until: datetime, count: int = 9, name: str = "Copperline") -> list[FeedItem]:
    """Bad news on cyber within the last two hours, each piece in words of its own."""
    step = timedelta(hours=2) / (count + 1)
    return [
        FeedItem(
            f"https://burst.example/{name.lower()}/{number}",
            f"{name} data breach, report {number}",
            f"Breach story {name} " + " ".join(f"{name.lower()}{number}x{i}" for i in range(15)),
            until - timedelta(hours=2) + number * step,
        )
        for number in range(count)
    ]


def rss(items: Sequence[FeedItem], title: str = "The Test Courier") -> bytes:
    """A feed with these items."""
    entries = "".join(
        f"<item><title>{escape(item.title)}</title><link>{escape(item.url)}</link>"
        f"<description>{escape(item.text)}</description>"
        + (f"<pubDate>{format_datetime(item.published_at)}</pubDate>" if item.published_at else "")
        + "</item>"
        for item in items
    )
    return f'<rss version="2.0"><channel><title>{title}</title>{entries}</channel></rss>'.encode()


class Site:
    """A web site on loopback: path -> (status, content type, body). Counts what it is asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str, bytes]] = {}
        self.requests: list[str] = []
        self.headers: dict[str, dict[str, str]] = {}  # more headers, by path
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/robots.txt":
                    site.requests.append(self.path)
                status, content_type, body = site.pages.get(self.path, (404, "text/plain", b"nothing here"))
                etag = f'"{hash(body)}"'
                if status == 200 and self.headers.get("If-None-Match") == etag:
                    status, body = 304, b""
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("ETag", etag)
                for name, value in site.headers.get(self.path, {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def publish(self, path: str, body: bytes, content_type: str = "application/rss+xml", status: int = 200) -> str:
        self.pages[path] = (status, content_type, body)
        return self.address(path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Inbox:
    """Takes every mail, or answers `refusal` to the recipients named in `refuses`."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.refuses: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.extend((recipient, message) for recipient in envelope.rcpt_tos)
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def smtp_server(inbox: Inbox, port: int | None = None) -> Iterator[int]:
    """An SMTP server on loopback that fills `inbox`; gives its port."""
    controller = Controller(inbox, hostname="127.0.0.1", port=port or free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
