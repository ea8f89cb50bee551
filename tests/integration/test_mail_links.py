"""The links of mails and the pages behind them, on a real database."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.mail_links import mail_links_router
from app.domain.alerts import Alert
from app.domain.errors import Conflict, InvalidInput, NotFound, StorageUnavailable
from app.domain.silences import Silence
from app.domain.subscriptions import Subscription
from app.integrations.secret_key import load_or_create_key
from app.services.mail_links import MailLinks
from app.services.subscriptions import Subscriptions
from app.storage.alerts import Alerts
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.silences import Silences
from app.storage.subscriptions import StoredSubscriptions, UsedTokens
from app.ui.mail_pages import MailPages
from app.ui.views import Views
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
DESK, RISK = "desk@larkmoor.example", "risk@larkmoor.example"
FINDING = Alert("cyber", NOW - timedelta(hours=2), NOW, "high", 12, 1.3, 1e-11, 3)
BASE = "https://watch.larkmoor.example"


class Parts:
    """Links, and what they act on."""

    def __init__(self, database: Database, clock: ManualClock, public_url: str = f"{BASE}/") -> None:
        self.alerts, self.silences = Alerts(database, clock), Silences(database)
        self.subscriptions = Subscriptions(StoredSubscriptions(database), (DESK, RISK), clock)
        alert = self.alerts.create(FINDING, [], NOW, "larkmoor.example")
        assert alert is not None
        assert alert.id is not None
        self.alert, self.alert_id = alert, alert.id

        def silence(alert: Alert, by: str, until: datetime) -> None:
            self.silences.create(Silence(clock(), until, by, topic=alert.topic, entity=alert.entity), clock())

        self.links = MailLinks(
            b"k" * 64, public_url, self.subscriptions, UsedTokens(database), clock, self.alerts.get,
            lambda alert_id, by: self.alerts.change(alert_id, "acknowledge", by), silence,
        )  # fmt: skip

    def token(self, action: str) -> str:
        return getattr(self.links.for_alert(self.alert, DESK), action).rpartition("/")[2]

    def settings(self, recipient: str = DESK) -> str:
        return self.links.settings_link(recipient).rpartition("/")[2]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def parts(database: Database, clock: ManualClock) -> Parts:
    return Parts(database, clock)


@pytest.fixture
def client(parts: Parts) -> TestClient:
    app = FastAPI()
    app.include_router(mail_links_router(parts.links, MailPages(Views("UTC"))))
    return TestClient(app)


def test_acknowledge_once_in_the_name_of_the_recipient(parts: Parts, database: Database) -> None:
    token = parts.token("acknowledge")
    offer = parts.links.offer(token)
    assert (offer.action, offer.alert.id, offer.reader.recipient) == ("acknowledge", parts.alert_id, DESK)
    assert parts.alerts.get(parts.alert_id).state == "open", "to look changes nothing"
    assert parts.links.follow(token) is None
    after = parts.alerts.get(parts.alert_id)
    assert (after.state, after.acknowledged_by) == ("acknowledged", DESK)
    assert any(e.actor == DESK and e.action == "acknowledge" for e in Audit(database).entries("alert"))
    parts.alerts.change(parts.alert_id, "resolve", "mei")
    parts.alerts.change(parts.alert_id, "reopen", "mei")
    for again in (parts.links.offer, parts.links.follow):
        with pytest.raises(Conflict, match="used already"):
            again(token)
    assert parts.alerts.get(parts.alert_id).state == "open"


def test_token_written_in_another_way_is_not_a_second_one(parts: Parts) -> None:
    """The last character of base64 has bits that mean nothing."""
    token = parts.token("acknowledge")
    parts.links.follow(token)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in letters:
        with pytest.raises((Conflict, InvalidInput)):
            parts.links.follow(token[:-1] + letter)


def test_silence_holds_the_topic_for_as_long_as_was_chosen(parts: Parts, clock: ManualClock) -> None:
    token = parts.token("silence")
    with pytest.raises(InvalidInput, match="4, 24, 168"):
        parts.links.follow(token, 5000)
    assert parts.links.follow(token, 24) == NOW + timedelta(hours=24)
    (silence,) = parts.silences.active(clock.now)
    assert (silence.topic, silence.created_by) == ("cyber", DESK)
    assert silence.ends_at == NOW + timedelta(hours=24)


def test_links_end_after_seven_days_and_those_to_settings_later(parts: Parts, clock: ManualClock) -> None:
    token, settings = parts.token("acknowledge"), parts.settings()
    clock.advance(days=7)
    assert parts.links.offer(token).action == "acknowledge"
    clock.advance(seconds=2)
    with pytest.raises(InvalidInput, match="older than 7 days"):
        parts.links.follow(token)
    assert parts.links.subscriber(settings).recipient == DESK
    clock.advance(days=60)
    with pytest.raises(InvalidInput, match="older than 60 days"):
        parts.links.subscriber(settings)


def test_links_of_others_and_of_another_kind_are_refused(
    parts: Parts, database: Database, clock: ManualClock
) -> None:
    stranger = MailLinks(
        b"x" * 64, BASE, parts.subscriptions, UsedTokens(database), clock, parts.alerts.get, print, print
    )
    forged = stranger.for_alert(parts.alert, DESK).acknowledge.rpartition("/")[2]
    for token in (forged, parts.settings(), "", "a.b.c", parts.token("acknowledge")[:-8]):
        with pytest.raises(InvalidInput, match="damaged"):
            parts.links.follow(token)
    with pytest.raises(InvalidInput, match="damaged"):
        parts.links.subscriber(parts.token("acknowledge"))


def test_recipient_who_was_removed_may_not_act(parts: Parts) -> None:
    token = parts.token("acknowledge")
    parts.subscriptions.save(Subscription(RISK))
    with pytest.raises(NotFound, match=DESK):
        parts.links.follow(token)
    assert parts.alerts.get(parts.alert_id).state == "open"


def test_link_that_failed_for_the_databases_sake_can_be_used_again(parts: Parts) -> None:
    token, acknowledge = parts.token("acknowledge"), parts.links._acknowledge

    def locked(*_: object) -> None:
        raise StorageUnavailable("The database did not answer.")

    parts.links._acknowledge = locked
    with pytest.raises(StorageUnavailable):
        parts.links.follow(token)
    parts.links._acknowledge = acknowledge
    parts.links.follow(token)
    assert parts.alerts.get(parts.alert_id).state == "acknowledged"


@pytest.mark.parametrize("public_url", ["", "javascript:alert(1)"])
def test_without_public_address_there_are_no_links(database: Database, clock: ManualClock, public_url: str) -> None:
    links = Parts(database, clock, public_url).links.for_alert(replace(FINDING, id=1), DESK)
    assert set(vars(links).values()) == {""}


def test_open_page_asks_and_the_button_does(client: TestClient, parts: Parts) -> None:
    path = parts.links.for_alert(parts.alert, DESK).acknowledge.removeprefix(BASE)
    for _ in range(3):  # scanners and previews open a link, too
        page = client.get(path)
        assert page.status_code == 200
        assert client.head(path).status_code in (200, 405)
        assert "Acknowledge this alert?" in page.text
        assert "Cyber and outage" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert parts.alerts.get(parts.alert_id).state == "open"
    (action,) = re.findall(r'<form method="post" action="([^"]+)"', page.text)
    done = client.post(action)
    assert (done.status_code, "The alert is acknowledged." in done.text) == (200, True)
    assert parts.alerts.get(parts.alert_id).acknowledged_by == DESK
    again = client.post(action)
    assert (again.status_code, "used already" in again.text) == (409, True)


def test_page_of_an_alert_that_another_has_taken_says_so(client: TestClient, parts: Parts) -> None:
    token = parts.token("acknowledge")
    parts.alerts.change(parts.alert_id, "acknowledge", "mei")
    assert "acknowledged by mei" in client.get(f"/mail/alert/{token}").text
    answer = client.post(f"/mail/alert/{token}")
    assert (answer.status_code, "acknowledged cannot be changed" in answer.text) == (409, True)


def test_silence_page_lets_choose_the_time(client: TestClient, parts: Parts, clock: ManualClock) -> None:
    token = parts.token("silence")
    page = client.get(f"/mail/alert/{token}").text
    assert re.findall(r'<option value="(\d+)"', page) == ["4", "24", "168"]
    assert "7 days" in page
    assert client.post(f"/mail/alert/{token}", data={"hours": "9"}).status_code == 422
    done = client.post(f"/mail/alert/{token}", data={"hours": "168"})
    assert "Silenced until 09 Mar 2026, 14:00 UTC." in done.text
    assert len(parts.silences.active(clock.now)) == 1


def test_settings_page_changes_the_subscription_and_speaks_its_language(client: TestClient, parts: Parts) -> None:
    path = f"/mail/settings/{parts.settings()}"
    assert "Your alerts" in client.get(path).text
    form = {
        "action": "save", "min_severity": "medium", "quiet_from": "22:00", "quiet_until": "07:00",
        "time_zone": "Asia/Shanghai", "language": "zh", "digest": "daily",
    }  # fmt: skip
    saved = client.post(path, data=form)
    assert "您的选择已保存。" in saved.text
    now = parts.subscriptions.of(DESK)
    assert (now.min_severity, now.quiet_from, now.time_zone, now.digest) == (
        "medium",
        "22:00",
        "Asia/Shanghai",
        "daily",
    )
    wrong = client.post(path, data={**form, "time_zone": "Mars/Base"})
    assert (wrong.status_code, "Mars/Base" in wrong.text) == (422, True)
    assert parts.subscriptions.of(DESK) == now


def test_unsubscribe_by_one_click_leaves_the_others_theirs(client: TestClient, parts: Parts) -> None:
    path = f"/mail/settings/{parts.settings()}"
    answer = client.post(path, content="List-Unsubscribe=One-Click", headers={
        "Content-Type": "application/x-www-form-urlencoded"
    })  # fmt: skip
    assert answer.status_code == 200
    assert "gets no messages" in answer.text
    assert parts.subscriptions.recipients(FINDING, "alert") == (RISK,)
    assert client.post(path, data={"action": "subscribe"}).status_code == 200
    assert set(parts.subscriptions.recipients(FINDING, "alert")) == {DESK, RISK}


def test_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "mail_links.key"
    key = load_or_create_key(path)
    assert load_or_create_key(path) == key
    assert len(key) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["mail_links.key"]
