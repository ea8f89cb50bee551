"""Digests: written once a period, and what they tell."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts import Alert
from app.domain.news import Article
from app.domain.subscriptions import NOTHING, Subscription
from app.services.alert_mail import AlertLinks
from app.services.digests import DigestLine, Digests, write_digest
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.digests import DigestFigures
from app.storage.outbox import Outbox
from app.storage.subscriptions import StoredSubscriptions
from tests import fakes
from tests.fakes import ManualClock
from tests.integration.test_delivery import Setup
from tests.monitoring import Inbox, smtp_server

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)  # a Monday
SEVEN = NOW.replace(hour=7)
DESK, RISK = "desk@larkmoor.example", "risk@larkmoor.example"
DAY = timedelta(days=1)
DAILY = Subscription(DESK, digest="daily")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def stored(database: Database) -> StoredSubscriptions:
    return StoredSubscriptions(database)


@pytest.fixture
def digests(database: Database, stored: StoredSubscriptions, clock: ManualClock) -> Digests:
    alerts, figures = Alerts(database), DigestFigures(database)
    return Digests(stored, Articles(database), alerts, figures, "larkmoor.example", clock)


def store(database: Database, number: int, title: str, at: datetime, sample: bool = False) -> int:
    reading = fakes.classify([title])[0]
    article = Article(f"https://a.example/{number}", title, "Text.", at, "en", str(number), classification=reading)
    added = Articles(database).add(article, at, sample)
    assert added is not None
    assert added.id is not None
    return added.id


def test_first_digest_is_that_of_the_period_in_which_one_subscribed(
    database: Database, stored: StoredSubscriptions, digests: Digests, clock: ManualClock
) -> None:
    stored.save(DAILY, NOW, DESK)
    assert digests.write_due() == {"written": 0}
    clock.now = SEVEN + DAY - timedelta(minutes=1)
    assert digests.write_due() == {"written": 0}
    clock.advance(minutes=1)
    assert digests.write_due() == {"written": 1}
    assert digests.write_due() == {"written": 0}
    (delivery,) = Outbox(database).recent()
    assert (delivery.kind, delivery.recipient, delivery.alert_id) == ("daily", DESK, None)
    assert delivery.key == f"daily-20260303T0700Z-{DESK}"


def test_each_recipient_has_a_time_of_its_own_and_missed_ones_are_not_made_up(
    database: Database, stored: StoredSubscriptions, digests: Digests, clock: ManualClock
) -> None:
    stored.save(replace(DAILY, time_zone="Asia/Shanghai"), NOW, DESK)
    stored.save(Subscription(RISK, digest="weekly"), NOW, RISK)
    stored.save(Subscription("off@larkmoor.example", digest="daily", enabled=False), NOW, RISK)
    stored.save(Subscription("none@larkmoor.example"), NOW, RISK)
    clock.now = SEVEN.replace(hour=23)  # 07:00 in Shanghai
    assert digests.write_due() == {"written": 1}
    clock.advance(days=5)
    assert digests.write_due() == {"written": 1}, "five days on, one digest"
    clock.now = SEVEN + 7 * DAY
    assert digests.write_due() == {"written": 2}
    kinds = [(d.recipient, d.kind) for d in Outbox(database).recent()]
    assert kinds.count((RISK, "weekly")) == 1


def test_digest_counts_by_topic_against_the_week_before(database: Database, digests: Digests) -> None:
    begin, end = SEVEN - DAY, SEVEN
    for number in range(4):
        store(database, number, f"Outage {number}", begin + timedelta(hours=number))
    store(database, 10, "Rises in profit", begin + timedelta(hours=5))
    store(database, 11, "Outage of last week", begin - 7 * DAY + timedelta(hours=1))
    store(database, 12, "Outage between", begin - 2 * DAY)
    store(database, 13, "Outage of today", end)
    store(database, 14, "Outage that was invented", begin, sample=True)
    digest = digests.gather(DAILY, begin, end)
    assert digest.whole == DigestLine("", 4, 5, 1, 1)
    assert digest.topics == (DigestLine("cyber", 4, 4, 1, 1), DigestLine("earnings", 0, 1, 0, 0))
    assert sorted(s.first.title for s in digest.stories) == [f"Outage {n}" for n in range(4)]
    narrow = digests.gather(replace(DAILY, topics=("earnings",), entities=(NOTHING,)), begin, end)
    assert [line.name for line in narrow.topics] == ["earnings"]
    assert narrow.stories == ()


def test_digest_tells_the_alerts_of_its_period_and_their_state(database: Database, digests: Digests) -> None:
    alerts, begin = Alerts(database), SEVEN - DAY
    found = Alert("cyber", begin, begin, "high", 12, 1.3, 1e-11, 3, stories=12)
    first = alerts.create(found, [], NOW, "x.example")
    alerts.create(replace(found, topic="deals"), [], NOW, "x.example")
    alerts.create(replace(found, detected_at=SEVEN), [], NOW, "x.example")
    alerts.create(replace(found, detected_at=begin + DAY / 2), [], NOW, "x.example", sample=True)
    assert first is not None
    assert first.id is not None
    alerts.change(first.id, "acknowledge", "mei")
    digest = digests.gather(replace(DAILY, topics=("cyber",)), begin, SEVEN)
    assert [(a.topic, a.state, a.acknowledged_by) for a in digest.alerts] == [("cyber", "acknowledged", "mei")]
    letter = write_digest(digest, "daily", DAILY, AlertLinks())
    assert letter.subject == "[Bellwether] Daily digest, 01 Mar 2026: 0 negative of 0 stories, 1 alert"
    assert "acknowledged by mei" in letter.text
    assert "No news in this period." in letter.html


def test_digest_in_chinese_says_the_same(database: Database, digests: Digests) -> None:
    store(database, 1, "Outage <b>1</b>", SEVEN - DAY / 2)
    reader = Subscription(DESK, digest="weekly", language="zh", time_zone="Asia/Shanghai")
    letter = write_digest(digests.gather(reader, SEVEN - 7 * DAY, SEVEN), "weekly", reader, AlertLinks())
    assert letter.subject == "[Bellwether] 每周摘要：2026-02-23 至 2026-03-02：1 则新闻中 1 则负面，0 个警报"
    for part in (letter.text, letter.html, letter.short):
        assert "网络安全与故障" in part
        assert "+1" in part
    assert "<b>1" not in letter.html


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox) -> Iterator[int]:
    with smtp_server(inbox) as port:
        yield port


def test_digest_that_was_written_arrives(
    database: Database, stored: StoredSubscriptions, digests: Digests, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    setup = Setup(database, clock, port)
    stored.save(DAILY, NOW, DESK)
    store(database, 1, "Outage at the bank", SEVEN + timedelta(hours=9))
    clock.now = SEVEN + DAY
    digests.write_due()
    clock.advance(hours=3)
    assert setup.service.deliver()["sent"] == 1
    ((recipient, message),) = inbox.mails
    assert recipient == DESK
    assert message["Subject"].strip() == "[Bellwether] Daily digest, 02 Mar 2026: 1 negative of 1 stories, 0 alerts"
    assert "Outage at the bank" in message.get_body(("html",)).get_content()  # type: ignore[union-attr]
