"""From the outbox to the recipients, through real servers in this process; the clock is moved by hand."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts import Alert, Delivery, DeliveryState, Notice
from app.domain.errors import DeliveryDeferred, InvalidInput, StorageUnavailable
from app.domain.news import Article
from app.domain.subscriptions import Subscription
from app.integrations.channels import Channels
from app.integrations.chart_image import draw_negatives
from app.integrations.mailer import Mailer
from app.services.delivery import LOOK_AGAIN, NO_SERVER, Delivering
from app.services.letters import Letter
from app.services.subscriptions import Subscriptions
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.outbox import Outbox
from app.storage.subscriptions import StoredSubscriptions
from tests.fakes import ManualClock, classify
from tests.monitoring import Inbox, delivering, free_port, smtp_server

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
DESK, RISK = "desk@larkmoor.example", "risk@larkmoor.example"
FINDING = Alert("cyber", NOW - timedelta(hours=2), NOW, "medium", 12, 1.3, 1e-8, 3, stories=12)
LETTER = Letter("Subject", "Text", "<p>Text</p>", "Short")
NONE = {"sent": 0, "deferred": 0, "refused": 0, "waiting": 0, "held": 0}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox) -> Iterator[int]:
    with smtp_server(inbox) as port:
        yield port


class Setup:
    """An outbox with an alert to some recipients, and the service that delivers it."""

    def __init__(
        self, database: Database, clock: ManualClock, port: int | None, recipients: Sequence[str] = (DESK, RISK)
    ) -> None:
        self.database, self.clock, self.outbox = database, clock, Outbox(database)
        self.subscriptions = Subscriptions(StoredSubscriptions(database), recipients, clock)
        self.service = delivering(database, clock, self.subscriptions, port)
        self.recipients = recipients

    def alert(self, finding: Alert = FINDING) -> list[Delivery]:
        notice = Notice("alert", self.recipients)
        alert = Alerts(self.database).create(finding, [notice], self.clock.now, "larkmoor.example")
        assert alert is not None
        assert alert.id is not None
        return self.outbox.for_alert(alert.id)

    def now(self, delivery: Delivery) -> Delivery:
        assert delivery.id is not None
        return self.outbox.get(delivery.id)


class Sending:
    """Stands in for the mail server's client: raises what it is told to, and remembers who was written to."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors, self.tried = list(errors), list[str]()

    def send(self, message: object, recipient: str) -> None:
        self.tried.append(recipient)
        if self.errors and (error := self.errors.pop(0)):
            raise error


def with_mailer(setup: Setup, mailer: object, **options: object) -> Delivering:
    return Delivering(
        setup.outbox, lambda d: LETTER, lambda d: None, mailer, Channels(True),  # type: ignore[arg-type]
        "watch@larkmoor.example", "larkmoor.example", setup.clock, chance=lambda: 0.5, **options,  # type: ignore[arg-type]
    )  # fmt: skip


def test_each_recipient_gets_one_mail(database: Database, clock: ManualClock, inbox: Inbox, port: int) -> None:
    setup = Setup(database, clock, port)
    first = setup.alert()
    assert setup.service.deliver() == {**NONE, "sent": 2}
    assert setup.service.deliver() == NONE
    assert [recipient for recipient, _ in inbox.mails] == [DESK, RISK]
    for delivery, (recipient, message) in zip(first, inbox.mails, strict=True):
        assert (message["To"], message["Message-ID"]) == (recipient, delivery.message_id)
        assert message["Date"] == "Mon, 02 Mar 2026 14:00:00 +0000"
        assert "12 negative articles" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert "/mail/alert/" in message.get_body(("html",)).get_content()  # type: ignore[union-attr]
        after = setup.now(delivery)
        assert (after.state, after.sent_at, after.attempts) == (DeliveryState.SENT, NOW, 1)
    links = [message["List-Unsubscribe"] for _, message in inbox.mails]
    assert len(set(links)) == 2, "everybody has a link of their own"


def test_mail_server_down_then_up_sends_later_and_once(
    database: Database, clock: ManualClock, inbox: Inbox
) -> None:
    port = free_port()
    setup = Setup(database, clock, port)
    first = setup.alert()
    assert setup.service.deliver()["deferred"] == 2
    assert [(setup.now(d).state, setup.now(d).attempts) for d in first] == [(DeliveryState.PENDING, 1)] * 2
    for delivery in map(setup.now, first):
        assert str(port) in delivery.last_error
        assert delivery.next_attempt_at == NOW + timedelta(minutes=1)
    assert setup.service.deliver() == NONE, "not before its time"
    for _ in range(2 * 60 * 2):  # two hours of a run every half minute
        clock.advance(seconds=30)
        setup.service.deliver()
    assert all(5 <= setup.now(d).attempts <= 9 for d in first)
    with smtp_server(inbox, port):
        clock.advance(hours=1)
        assert setup.service.deliver()["sent"] == 2
        clock.advance(hours=2)
        assert setup.service.deliver() == NONE
    assert [m["Message-ID"] for _, m in inbox.mails] == [d.message_id for d in first]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("421 closing", DeliveryState.PENDING),
        ("450 greylisted", DeliveryState.PENDING),
        ("550 no such mailbox", DeliveryState.REFUSED),
    ],
)
def test_answer_to_one_recipient_stays_visible(
    database: Database, clock: ManualClock, inbox: Inbox, port: int, answer: str, state: DeliveryState
) -> None:
    inbox.refuses[RISK] = answer
    setup = Setup(database, clock, port)
    spared, struck = setup.alert()
    assert setup.service.deliver()["sent"] == 1
    assert setup.now(spared).state is DeliveryState.SENT
    assert (setup.now(struck).state, answer in setup.now(struck).last_error) == (state, True)
    inbox.refuses.clear()
    clock.advance(days=1)
    assert setup.service.deliver()["sent"] == (state is DeliveryState.PENDING)


def test_refused_mail_goes_out_when_somebody_asks_for_it(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    inbox.refuses[DESK] = "550 mailbox full"
    setup = Setup(database, clock, port, [DESK])
    [delivery] = setup.alert()
    assert setup.service.deliver()["refused"] == 1
    inbox.refuses.clear()
    assert delivery.id is not None
    setup.outbox.retry(delivery.id, clock.now, "mei")
    assert setup.service.deliver()["sent"] == 1
    assert setup.now(delivery).last_error == ""


def test_mail_is_given_up_visibly_after_a_day(database: Database, clock: ManualClock) -> None:
    setup = Setup(database, clock, free_port(), [DESK])
    [delivery] = setup.alert()
    runs = 0
    while setup.now(delivery).state is DeliveryState.PENDING:
        clock.now = setup.now(delivery).next_attempt_at or clock.now
        setup.service.deliver()
        runs += 1
        assert runs < 100
    assert timedelta(hours=22) < clock.now - NOW < timedelta(hours=26)
    after = setup.now(delivery)
    assert after.state is DeliveryState.REFUSED
    assert after.last_error.startswith(f"refused: gave up after {runs} attempts over a day; the last: 127.0.0.1:")


def test_server_that_is_down_is_asked_once_a_run(database: Database, clock: ManualClock) -> None:
    setup = Setup(database, clock, free_port(), [f"{n}@larkmoor.example" for n in range(40)])
    deliveries = setup.alert()
    mailer = Mailer("127.0.0.1", free_port(), "none", timeout=1)
    calls, plain = list[str](), mailer.send
    mailer.send = lambda message, recipient: (calls.append(recipient), plain(message, recipient))[1]  # type: ignore[method-assign]
    assert with_mailer(setup, mailer).deliver()["deferred"] == 40
    assert len(calls) == 1
    assert {setup.now(d).attempts for d in deliveries} == {1}
    assert len({setup.now(d).last_error for d in deliveries}) == 1


def test_trouble_with_one_recipient_is_not_taken_for_the_servers(database: Database, clock: ManualClock) -> None:
    setup = Setup(database, clock, None)
    setup.alert()
    mailer = Sending(DeliveryDeferred("450 busy"), None)
    assert with_mailer(setup, mailer).deliver() == {**NONE, "sent": 1, "deferred": 1}
    assert mailer.tried == [DESK, RISK]


def test_hanging_channel_does_not_hold_up_the_mail(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hook = f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=2&cto=2"
        setup = Setup(database, clock, port, [hook, DESK])
        stuck, mail = setup.alert()
        result: dict[str, int] = {}
        run = threading.Thread(target=lambda: result.update(setup.service.deliver()))
        run.start()
        connection, _ = silent.accept()  # the channel hangs now
        while setup.now(mail).state is not DeliveryState.SENT:
            assert run.is_alive()
            time.sleep(0.02)
        run.join(30)
        connection.close()
    assert result == {**NONE, "sent": 1, "deferred": 1}
    assert "127.0.0.1" in setup.now(stuck).last_error


def test_run_ends_in_time_and_the_rest_stays_due(database: Database, clock: ManualClock) -> None:
    setup = Setup(database, clock, None)
    setup.alert()
    mailer = Sending()
    assert with_mailer(setup, mailer, run_seconds=0.0).deliver() == NONE
    assert mailer.tried == []
    assert with_mailer(setup, mailer).deliver()["sent"] == 2


def test_two_runs_at_once_send_each_mail_once(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port, [f"{n}@larkmoor.example" for n in range(10)])
    setup.alert()
    others = [delivering(database, clock, setup.subscriptions, port) for _ in range(3)]
    runs = [threading.Thread(target=service.deliver) for service in others]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(recipient for recipient, _ in inbox.mails) == sorted(setup.recipients)


def test_sent_mail_is_not_sent_again_while_the_database_cannot_be_told(
    database: Database, clock: ManualClock
) -> None:
    setup = Setup(database, clock, None, [DESK])
    [delivery] = setup.alert()
    mailer = Sending()
    service, record = with_mailer(setup, mailer), setup.outbox.record_sent

    def locked(*_: object) -> None:
        raise StorageUnavailable("The database did not answer: locked.")

    setup.outbox.record_sent = locked  # type: ignore[method-assign,assignment]
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            service.deliver()
        clock.advance(minutes=5)
    setup.outbox.record_sent = record  # type: ignore[method-assign]
    assert service.deliver() == NONE
    assert mailer.tried == [DESK]
    assert (setup.now(delivery).state, setup.now(delivery).sent_at) == (DeliveryState.SENT, NOW)


def test_without_mail_server_deliveries_are_kept_and_labelled(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, None)
    deliveries = setup.alert()
    for _ in range(3):
        assert setup.service.deliver() == {**NONE, "waiting": 2}
        clock.advance(seconds=LOOK_AGAIN.total_seconds())
    found = [(d.state, d.last_error, d.attempts) for d in map(setup.now, deliveries)]
    assert found == [(DeliveryState.PENDING, NO_SERVER, 1)] * 2
    assert delivering(database, clock, setup.subscriptions, port).deliver()["sent"] == 2
    assert len(inbox.mails) == 2


def test_recipient_that_cannot_be_addressed_is_refused_and_spares_the_others(
    database: Database, clock: ManualClock, port: int
) -> None:
    setup = Setup(database, clock, port, ["bad\nheader@larkmoor.example", DESK])
    bad, _ = setup.alert()
    assert setup.service.deliver() == {**NONE, "sent": 1, "refused": 1}
    assert "printable" in setup.now(bad).last_error


def test_mail_that_cannot_be_written_is_deferred_with_the_reason(database: Database, clock: ManualClock) -> None:
    setup = Setup(database, clock, None, [DESK])
    [delivery] = setup.alert()

    def broken(_: Delivery) -> Letter:
        raise RuntimeError("no such template")

    service = with_mailer(setup, Sending())
    service._compose = broken
    assert service.deliver()["deferred"] == 1
    assert setup.now(delivery).last_error == "Unexpected RuntimeError: no such template"


def test_quiet_hours_hold_mails_back_but_severe_ones(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port, [DESK])
    setup.subscriptions.save(Subscription(DESK, quiet_from="13:00", quiet_until="16:00"))
    [held] = setup.alert()
    [severe] = setup.alert(replace(FINDING, topic="credit", severity="high"))
    assert setup.service.deliver() == {**NONE, "sent": 1, "held": 1}
    assert setup.now(severe).state is DeliveryState.SENT
    assert setup.now(held).next_attempt_at == NOW + timedelta(hours=2)
    assert (setup.now(held).attempts, "quiet hours" in setup.now(held).last_error) == (0, True)
    clock.advance(hours=2)
    assert setup.service.deliver()["sent"] == 1
    assert len(inbox.mails) == 2


def test_who_has_unsubscribed_since_gets_nothing(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port, [DESK])
    [delivery] = setup.alert()
    setup.subscriptions.choose(Subscription(DESK, enabled=False))
    assert setup.service.deliver()["refused"] == 1
    assert "unsubscribed" in setup.now(delivery).last_error
    assert inbox.mails == []


def test_mail_speaks_the_language_of_its_reader(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port, [DESK])
    setup.subscriptions.save(Subscription(DESK, language="zh", time_zone="Asia/Shanghai"))
    setup.alert()
    setup.service.deliver()
    text = inbox.mails[0][1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "负面报道激增：网络安全与故障" in text
    assert "2026-03-02 22:00 CST" in text


def test_test_message_goes_out_at_once_and_its_result_is_seen(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port, [])
    setup.subscriptions.save(Subscription(DESK, quiet_from="13:00", quiet_until="16:00", enabled=False))
    sent = setup.service.send_test(DESK, "mei")
    assert (sent.state, sent.kind, sent.alert_id) == (DeliveryState.SENT, "test", None)
    assert inbox.mails[0][1]["Subject"] == "[Bellwether] Test message"
    inbox.refuses[RISK] = "550 no such mailbox"
    refused = setup.service.send_test(RISK, "mei")
    assert (refused.state, "no such mailbox" in refused.last_error) == (DeliveryState.REFUSED, True)
    assert [d.kind for d in setup.outbox.recent()] == ["test", "test"]
    assert [(e.actor, e.action) for e in Audit(database).entries("delivery")] == [("mei", "test")] * 2
    with pytest.raises(InvalidInput):
        setup.service.send_test("nobody", "mei")
    assert len(setup.outbox.recent()) == 2


def test_mail_shows_its_stories_and_their_picture(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port, [DESK])
    articles, ids = Articles(database), list[int]()
    for number in range(30):
        at = NOW - timedelta(minutes=10 * number) if number < 6 else NOW - timedelta(hours=20 * number)
        reading = classify([f"Outage {number}"])[0]
        given = Article(f"https://a.example/{number}", f"Outage {number}", "", at, "en", str(number), "Wire",
                        classification=reading)  # fmt: skip
        added = articles.add(given, at)
        assert added is not None
        assert added.id is not None
        ids.append(added.id)
    setup.alert(replace(FINDING, article_ids=tuple(ids[:6])))
    service = delivering(database, clock, setup.subscriptions, port, draw_negatives)
    assert service.deliver()["sent"] == 1
    message = inbox.mails[0][1]
    (picture,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert picture.get_content().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    html = message.get_body(("related", "html")).as_string()  # type: ignore[union-attr]
    assert f"cid:{str(picture['Content-ID']).strip('<>')}" in html
    text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert [f"* Outage {n}\n" in text.replace("\r\n", "\n") for n in (0, 5, 6)] == [True, True, False]
    setup.alert(replace(FINDING, topic="deals", article_ids=tuple(ids[:6])))

    def broken(*_: object) -> bytes:
        raise RuntimeError("no font")

    assert delivering(database, clock, setup.subscriptions, port, broken).deliver()["sent"] == 1
    assert "Outage 5" in inbox.mails[1][1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
