"""A mail server that is down, refuses or hangs for hours, and a database that somebody else holds: nothing lost."""

import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.domain.alerts import AlertPolicy, DeliveryState
from app.domain.errors import StorageUnavailable
from app.storage.database import Database, open_database
from tests.fakes import ManualClock
from tests.monitoring import (
    RECIPIENTS,
    Inbox,
    Monitoring,
    Site,
    burst_items,
    calm_items,
    free_port,
    rss,
    smtp_server,
)

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
OUTAGE = timedelta(hours=2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


class Moody(Inbox):
    """Answers with `answer` at a stage of the conversation while it has a mood."""

    def __init__(self, stage: str, answer: str) -> None:
        super().__init__()
        self.stage, self.answer, self.asked = stage, answer, 0

    def _mood(self, stage: str) -> str:
        if stage != self.stage or not self.answer:
            return ""
        self.asked += 1
        return self.answer

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> Any:
        session.host_name = hostname
        return [mood] if (mood := self._mood("EHLO")) else responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return self._mood("MAIL") or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        return self._mood("RCPT") or await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return self._mood("DATA") or await super().handle_DATA(server, session, envelope)


def alerted(database: Database, clock: ManualClock, port: int) -> Monitoring:
    """A burst with its alert, whose mails are due."""
    parts = Monitoring(database, clock, smtp_port=port, alert_policy=AlertPolicy())
    parts.ingestion.store(calm_items(NOW) + burst_items(NOW), None)
    assert parts.scheduler.run_now("detect") == {"alerts": 1}
    clock.advance(minutes=3)
    return parts


def for_two_hours(parts: Monitoring, clock: ManualClock) -> Counter[str]:
    """The job that delivers, at its times."""
    counts: Counter[str] = Counter()
    end = clock.now + OUTAGE
    while clock.now < end:
        counts.update(parts.scheduler.run_now("deliver"))
        clock.advance(seconds=30)
    return counts


def states(parts: Monitoring) -> list[tuple[str, DeliveryState]]:
    return sorted((d.recipient, d.state) for d in parts.outbox.recent() if d.kind == "alert")


def everybody_once(parts: Monitoring, inbox: Inbox) -> bool:
    known = {(d.recipient, d.message_id) for d in parts.outbox.recent() if d.kind == "alert"}
    mails = Counter((recipient, message["Message-ID"]) for recipient, message in inbox.mails)
    return len(known) == len(RECIPIENTS) and mails == Counter(known)


def test_mails_wait_while_the_server_is_down_for_two_hours(database: Database, clock: ManualClock) -> None:
    port, inbox = free_port(), Inbox()
    parts = alerted(database, clock, port)
    counts = for_two_hours(parts, clock)
    assert counts["sent"] == counts["refused"] == 0
    assert 4 <= counts["deferred"] <= 2 * 12, "less and less often"
    assert states(parts) == [(r, DeliveryState.PENDING) for r in RECIPIENTS]
    assert all(str(port) in d.last_error for d in parts.outbox.recent())
    with smtp_server(inbox, port):
        for_two_hours(parts, clock)
    assert everybody_once(parts, inbox)
    assert states(parts) == [(r, DeliveryState.SENT) for r in RECIPIENTS]


CLOSING, BUSY = "421 4.3.2 shutting down", "450 4.2.0 busy"


@pytest.mark.parametrize(
    ("stage", "answer"),
    [("EHLO", CLOSING), *((stage, answer) for stage in ("MAIL", "RCPT", "DATA") for answer in (CLOSING, BUSY))],
)
def test_mails_wait_while_the_server_puts_them_off(
    database: Database, clock: ManualClock, stage: str, answer: str
) -> None:
    inbox = Moody(stage, answer)
    with smtp_server(inbox) as port:
        parts = alerted(database, clock, port)
        for_two_hours(parts, clock)
        assert inbox.asked >= 3
        assert inbox.mails == []
        assert states(parts) == [(r, DeliveryState.PENDING) for r in RECIPIENTS]
        inbox.answer = ""
        for_two_hours(parts, clock)
    assert everybody_once(parts, inbox)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_mail_that_is_refused_stays_visible_and_is_not_sent_again(
    database: Database, clock: ManualClock, stage: str
) -> None:
    inbox = Moody(stage, "550 5.7.1 not wanted")
    with smtp_server(inbox) as port:
        parts = alerted(database, clock, port)
        for_two_hours(parts, clock)
        inbox.answer = ""
        for_two_hours(parts, clock)
        assert inbox.asked == len(RECIPIENTS)
        assert inbox.mails == []
        refused = [d for d in parts.outbox.recent() if d.kind == "alert"]
        assert [d.state for d in refused] == [DeliveryState.REFUSED] * 2
        assert all("550" in d.last_error for d in refused)
        for delivery in refused:
            parts.outbox.retry(delivery.id or 0, clock.now, "wei")
        parts.scheduler.run_now("deliver")
    assert everybody_once(parts, inbox)


@contextmanager
def silent_server(port: int) -> Iterator[None]:
    """Takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", port))):
        yield


def test_mails_wait_while_the_server_hangs(database: Database, clock: ManualClock) -> None:
    port, inbox = free_port(), Inbox()
    parts = alerted(database, clock, port)
    assert parts.delivering._mailer is not None
    parts.delivering._mailer._timeout = 0.2
    with silent_server(port):
        counts = for_two_hours(parts, clock)
    assert counts["sent"] == counts["refused"] == 0
    assert states(parts) == [(r, DeliveryState.PENDING) for r in RECIPIENTS]
    parts.delivering._mailer._timeout = 5
    with smtp_server(inbox, port):
        for_two_hours(parts, clock)
    assert everybody_once(parts, inbox)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Database, Callable[[], sqlite3.Connection]]]:
    """A database whose users wait for a tenth of a second, and what holds its write lock."""
    file = tmp_path / "held.db"
    database = open_database(f"sqlite:///{file}")
    database.engine.dispose()  # the connections that follow are less patient

    @event.listens_for(database.engine, "connect")
    def hasten(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout=100")

    def hold() -> sqlite3.Connection:
        holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        return holder

    yield database, hold
    database.close()


Held = tuple[Database, Callable[[], sqlite3.Connection]]


@pytest.mark.parametrize("job", ["fetch", "detect", "deliver"])
def test_job_that_finds_the_database_locked_is_done_later(held: Held, clock: ManualClock, job: str) -> None:
    database, hold = held
    site, inbox = Site(), Inbox()
    with smtp_server(inbox) as port, closing(site):
        parts = Monitoring(database, clock, smtp_port=port)
        parts.sources.add("Courier", site.publish("/feed", rss(calm_items(NOW) + burst_items(NOW))))
        for step in ("fetch", "detect", "deliver"):
            if step == job:
                holder = hold()
                for _ in range(3):
                    with pytest.raises(StorageUnavailable, match="did not answer"):
                        parts.scheduler.run_now(step)
                    clock.advance(seconds=30)
                holder.close()
            parts.scheduler.run_now(step)
        assert parts.articles.count() == len(calm_items(NOW)) + 9
        assert len(parts.alerts.list()) == 1
        assert everybody_once(parts, inbox)


@pytest.mark.parametrize("after", range(1, 12, 2))
def test_database_locked_in_the_middle_of_a_visit_loses_nothing(held: Held, clock: ManualClock, after: int) -> None:
    """The lock is taken when some articles are stored; the rest comes in when it is free again."""
    database, hold = held
    site, holders = Site(), []
    with closing(site):
        parts = Monitoring(database, clock)
        source = parts.sources.add("Courier", site.publish("/feed", rss(calm_items(NOW, 1))))
        add = parts.articles.add

        def add_some(*arguments: Any, **options: Any) -> Any:
            stored = add(*arguments, **options)
            if parts.articles.count() == after and not holders:
                holders.append(hold())
            return stored

        parts.articles.add = add_some  # type: ignore[method-assign]
        report = parts.gathering.run([source])
        assert "did not answer" in report.errors["Courier"]
        assert parts.articles.count() == after
        holders[0].close()
        clock.advance(minutes=16)
        assert parts.scheduler.run_now("fetch")["new"] == 12 - after
        assert parts.sources.list()[0].last_error == ""


def test_mail_is_sent_once_although_the_database_locks_after_it(held: Held, clock: ManualClock) -> None:
    """The server has taken a mail, and for an hour nobody can write that down."""
    database, hold = held
    inbox, holders = Inbox(), []
    with smtp_server(inbox) as port:
        parts = alerted(database, clock, port)
        mailer = parts.delivering._mailer
        assert mailer is not None
        send = mailer.send

        def send_then_lock(*arguments: Any) -> None:
            send(*arguments)
            if not holders:
                holders.append(hold())

        mailer.send = send_then_lock  # type: ignore[method-assign]
        for _ in range(12):
            with pytest.raises(StorageUnavailable):
                parts.delivering.deliver()
            clock.advance(minutes=5)
        assert len(inbox.mails) == 1
        holders[0].close()
        for_two_hours(parts, clock)
    assert everybody_once(parts, inbox)
