"""The whole way from a feed on loopback to the recipients' inboxes, with the real scheduler and real time."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.alerts import Delivery, DeliveryState
from app.services.delivery import NO_SERVER
from app.storage.alerts import Alerts
from app.storage.database import Database
from app.storage.outbox import Outbox
from app.storage.sources import Sources
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

ROOT = Path(__file__).resolve().parents[2]
PROCESS = Path(__file__).with_name("monitoring_process.py")


def now() -> datetime:
    return datetime.now(UTC)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def site() -> Iterator[Site]:
    opened = Site()
    yield opened
    opened.close()


def visit_again(parts: Monitoring) -> None:
    """Have the source visited although its interval has not passed."""
    source = parts.sources.list()[0]
    parts.gathering.run([source])


def runs_of(parts: Monitoring, job: str) -> int:
    return sum(run.job == job and run.ended_at is not None for run in parts.job_runs.recent(1000))


def test_burst_in_a_feed_becomes_one_alert_and_one_mail_for_each_recipient(database: Database, site: Site) -> None:
    inbox, begun = Inbox(), now()
    with smtp_server(inbox) as port:
        parts = Monitoring(database, now, smtp_port=port)
        parts.sources.add("Courier", site.publish("/feed", rss(calm_items(begun))))
        parts.scheduler.start()
        try:
            wait_until(lambda: parts.articles.count() == len(calm_items(begun)) and runs_of(parts, "detect") >= 2)
            assert parts.alerts.list() == []
            site.publish("/feed", rss(calm_items(begun) + burst_items(begun)))
            visit_again(parts)
            wait_until(lambda: len(inbox.mails) == 2)
            site.publish("/feed", rss(burst_items(now(), name="Another")))
            visit_again(parts)
            done = {job: runs_of(parts, job) for job in ("detect", "deliver")}
            wait_until(lambda: all(runs_of(parts, job) >= count + 2 for job, count in done.items()))
        finally:
            parts.scheduler.stop()
    assert parts.articles.count() == len(calm_items(begun)) + 18
    (alert,) = parts.alerts.list()
    assert alert.topic == "cyber"
    assert sorted(recipient for recipient, _ in inbox.mails) == sorted(RECIPIENTS)
    for _, message in inbox.mails:
        text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert all(item.title in text for item in burst_items(begun))
        assert "Another" not in text
        assert "harbour board" not in text
    assert [run.error for run in parts.job_runs.recent(1000)] == [""] * len(parts.job_runs.recent(1000))


def test_mail_goes_out_once_when_the_server_comes_back(database: Database, site: Site) -> None:
    inbox, begun, port = Inbox(), now(), free_port()
    parts = Monitoring(database, now, smtp_port=port)
    parts.sources.add("Courier", site.publish("/feed", rss(calm_items(begun) + burst_items(begun))))
    parts.scheduler.start()
    try:
        wait_until(lambda: bool(parts.alerts.list()) and all(d.attempts for d in deliveries(parts)))
        assert all(d.state is DeliveryState.PENDING and d.last_error for d in deliveries(parts))
        with smtp_server(inbox, port):
            for delivery in deliveries(parts):
                parts.outbox.record_failure(delivery.id, delivery.last_error, now())  # type: ignore[arg-type]
            wait_until(lambda: len(inbox.mails) == 2)
            done = runs_of(parts, "deliver")
            wait_until(lambda: runs_of(parts, "deliver") >= done + 2)
    finally:
        parts.scheduler.stop()
    assert {m["Message-ID"] for _, m in inbox.mails} == {d.message_id for d in deliveries(parts)}
    assert len(inbox.mails) == 2


def test_without_mail_server_the_alert_waits_with_a_label(database: Database, site: Site) -> None:
    parts = Monitoring(database, now)
    parts.sources.add("Courier", site.publish("/feed", rss(calm_items(now()) + burst_items(now()))))
    for job in ("fetch", "detect", "deliver"):
        parts.scheduler.run_now(job)
    assert [(d.state, d.last_error) for d in deliveries(parts)] == [(DeliveryState.PENDING, NO_SERVER)] * 2


def test_stop_lets_another_process_take_over_at_once(database: Database) -> None:
    first, second = Monitoring(database, now, holder="first"), Monitoring(database, now, holder="second")
    first.scheduler.start()
    wait_until(lambda: runs_of(first, "fetch") >= 1)
    first.scheduler.start()
    first.scheduler.stop()
    first.scheduler.stop()
    assert second.scheduler.run_now("fetch")["sources"] == 0


def test_kill_between_alert_and_mail_loses_nothing(database_url: str, database: Database, site: Site) -> None:
    """The first process hangs in a mail server that never answers, and is killed; the next one delivers."""
    Sources(database).add("Courier", site.publish("/feed", rss(calm_items(now()) + burst_items(now()))))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = start_process(database_url, silent.getsockname()[1])
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()  # the alert is stored, its mail is not sent
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        connection.close()
    (alert,) = Alerts(database).list()
    before = Outbox(database).for_alert(alert.id)  # type: ignore[arg-type]
    assert [d.state for d in before] == [DeliveryState.PENDING] * 2
    inbox = Inbox()
    with smtp_server(inbox) as port:
        process = start_process(database_url, port)
        try:
            wait_until(lambda: len(inbox.mails) == 2, 90)
            wait_until(lambda: Outbox(database).counts()["sent"] == 2)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert len(Alerts(database).list()) == 1
    assert sorted(m["Message-ID"] for _, m in inbox.mails) == sorted(d.message_id for d in before)


def start_process(database_url: str, smtp_port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(PROCESS), database_url, str(smtp_port)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )


def deliveries(parts: Monitoring) -> list[Delivery]:
    return [d for alert in parts.alerts.list() for d in parts.outbox.for_alert(alert.id)]  # type: ignore[arg-type]


def test_articles_of_a_visit_are_judged_together(database: Database) -> None:
    """Detection waits for a visit that is being stored: half a burst would make half an alert."""
    parts = Monitoring(database, now)
    parts.ingestion.store(calm_items(now()), None)
    parts.ingestion.store(burst_items(now(), 40), None)
    with parts.ingestion.storing:
        parts.scheduler.start()
        time.sleep(0.5)
        assert parts.alerts.list() == []
    wait_until(lambda: bool(parts.alerts.list()))
    parts.scheduler.stop()
    (alert,) = parts.alerts.list()
    assert alert.started_at >= now() - timedelta(hours=13)
    assert alert.negatives >= 40
