"""The listeners behind the Alerts, Recipients and Rules tabs, on real services; the browser is left to e2e."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app.config import load_settings
from app.domain.accounts import Account, AccountRole
from app.domain.alerts import Alert, AlertPolicy, DeliveryState
from app.domain.errors import Conflict, InvalidInput, NotFound, RoleMissing
from app.domain.spikes import SpikeRule
from app.domain.subscriptions import Subscription
from app.services.composing import Composing
from app.services.replay import Replay
from app.storage.audit import Audit
from app.storage.database import Database
from app.ui.analyst.alert_details import (
    render_alert,
    render_evidence,
    render_preview,
    render_silences,
    render_trail,
)
from app.ui.analyst.alert_work import retry_delivery, silence_alert
from app.ui.analyst.alerts import _show
from app.ui.analyst.desk import Desk
from app.ui.analyst.recipient_work import (
    act_on_recipient,
    render_recipients,
    save_recipient,
    send_test,
    subscription_from,
)
from app.ui.analyst.rule_preview import FIELDS, changes_of, render_rules
from app.ui.analyst.rule_preview import render_preview as render_replay
from app.ui.views import Views
from tests import fakes
from tests.monitoring import Monitoring, burst_items, calm_items

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def monitoring(database: Database) -> Monitoring:
    """A calm week, and a burst about a watched company, which everybody on the list is to hear of."""
    clock = fakes.ManualClock(NOW)
    found = Monitoring(database, clock)
    found.clock, found.database = clock, database  # type: ignore[attr-defined]
    found.watchlist.add("Copperline", NOW)
    found.ingestion.store(calm_items(NOW - timedelta(hours=3)), None)
    found.ingestion.store(burst_items(NOW), None)
    found.alerting.detect()
    return found


@pytest.fixture
def desk(monitoring: Any) -> Desk:
    m = monitoring
    composing: Composing = m.delivering._compose.__self__
    services: Any = SimpleNamespace(
        settings=load_settings(alert_recipients="desk@larkmoor.example,risk@larkmoor.example"),
        articles=m.articles,
        alerts=m.alerts,
        outbox=m.outbox,
        silences=m.silences,
        audit=Audit(m.database),
        subscriptions=m.subscriptions,
        composing=composing,
        delivering=m.delivering,
        watchlist=m.watchlist,
        replay=Replay(m.articles, m.silences, m.subscriptions.recipients, SpikeRule(), AlertPolicy()),
    )
    return Desk(services, Views("Asia/Shanghai"), lambda request: request, m.clock)


def alert_on(desk: Desk, entity: str = "") -> Alert:
    return next(alert for alert in desk.services.alerts.list() if alert.entity == entity)


def form(recipient: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(("min_severity", "quiet_from", "quiet_until", "digest"), "")
    values |= {"topics": [], "entities": [], "time_zone": "UTC", "language": "en", "escalation": False}
    return {"recipient": recipient, **values, **changes}


def test_show_lists_companies_and_topics_and_filters_by_either(desk: Desk) -> None:
    choices, html = _show(desk, "", "", None)[:2]
    assert [value for _, value in choices.choices] == ["", "cyber", "entity:Copperline"]
    assert "Copperline" in html
    assert "Cyber and outage" in html
    only = _show(desk, "open", "entity:Copperline", None)[1]
    assert "Cyber and outage" not in only
    assert "No such alerts" in _show(desk, "resolved", "", None)[1]


def test_alert_marks_the_stories_that_decided_it(desk: Desk) -> None:
    alert = alert_on(desk, "Copperline")
    assert alert.decisive
    html = render_evidence(desk, alert)
    assert html.count("★ decisive") == len(alert.decisive)
    assert "it would not have fired" in render_alert(desk, alert)
    assert html.index("★ decisive") < html.rindex("<article")


def test_evidence_shows_copies_of_a_story_under_it(desk: Desk, monitoring: Monitoring) -> None:
    [first, *_] = burst_items(NOW)
    copy = replace(first, url="https://other.example/copy", outlet="The Copyist")
    monitoring.ingestion.store([copy], None)
    html = render_evidence(desk, alert_on(desk))
    assert "2 copies of 1 story" in html
    assert "https://other.example/copy" in html


def test_silence_alert_holds_it_back_until_it_is_ended(desk: Desk, monitoring: Any) -> None:
    alert = alert_on(desk, "Copperline")
    words = silence_alert(desk, alert.id or 0, "ada", "planned", 24, "medium")
    assert "Copperline until 25 Nov 2025, 17:00 CST" in words
    [silence] = desk.services.silences.list()
    assert (silence.entity, silence.topic, silence.max_severity) == ("Copperline", "", "medium")
    assert "End now" in render_silences(desk, [silence])
    trail = render_trail(desk, alert)
    assert "silenced it up to medium severity" in trail
    assert "planned" in trail
    assert "silenced it" not in render_trail(desk, alert_on(desk)), "a silence of another subject"
    with pytest.raises(InvalidInput):
        silence_alert(desk, alert.id or 0, "ada", "", 5, "")


def test_trail_tells_the_life_of_an_alert_newest_first(desk: Desk) -> None:
    alert = alert_on(desk)
    assert alert.id
    desk.services.alerts.comment(alert.id, "ada", "<b>seen</b>")
    desk.services.alerts.change(alert.id, "resolve", "bob")
    html = render_trail(desk, alert)
    assert html.index("resolved it") < html.index("commented") < html.index("raised it:")
    assert "&lt;b&gt;seen" in html
    assert "wrote messages: alert, to 2" in html


def test_preview_of_mail_is_shut_in_and_acts_for_nobody(desk: Desk) -> None:
    alert = alert_on(desk, "Copperline")
    [delivery, *_] = desk.services.outbox.for_alert(alert.id or 0)
    html = render_preview(desk, alert, delivery)
    assert "<iframe sandbox title=" in html
    assert "/mail/alert/" not in html
    assert "Copperline" in html
    assert "As desk@larkmoor.example" in html


def test_retry_delivery_tries_at_once_and_says_how_it_went(desk: Desk) -> None:
    alert = alert_on(desk)
    [delivery, *_] = desk.services.outbox.for_alert(alert.id or 0)
    assert delivery.id
    desk.services.outbox.record_failure(delivery.id, "550 no such user", None)
    assert "no mail server configured" in retry_delivery(desk, alert, delivery.id, "ada")
    assert desk.services.outbox.get(delivery.id).state == DeliveryState.PENDING
    assert "tried again" in render_trail(desk, alert)
    with pytest.raises(NotFound):
        retry_delivery(desk, replace(alert, id=999), delivery.id, "ada")


def test_first_recipient_saved_keeps_those_of_the_settings(desk: Desk) -> None:
    assert "From the settings" in render_recipients(desk)
    chosen = subscription_from(desk, None, **form("night@larkmoor.example", topics=["cyber"]))
    assert "desk@larkmoor.example, risk@larkmoor.example" in save_recipient(desk, chosen, "ada")
    stored = {s.recipient: s.topics for s in desk.services.subscriptions.list()}
    assert stored == {
        "desk@larkmoor.example": (),
        "night@larkmoor.example": ("cyber",),
        "risk@larkmoor.example": (),
    }


def test_wrong_form_stores_nobody(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="Quiet hours"):
        save_recipient(desk, subscription_from(desk, None, **form("a@b.example", quiet_from="25:00")), "ada")
    assert not desk.services.subscriptions.list()


def test_recipient_is_changed_paused_and_removed(desk: Desk) -> None:
    subscriptions = desk.services.subscriptions
    for recipient in ("slack://secret-token@bank", "b@bank.example"):
        subscriptions.save(Subscription(recipient))
    channel = next(s for s in subscriptions.list() if "slack" in s.recipient)
    assert "secret-token" not in render_recipients(desk)
    changed = subscription_from(desk, channel.id, **form("whatever the page says", digest="daily"))
    save_recipient(desk, changed, "ada")
    assert subscriptions.of(channel.recipient).digest == "daily"
    act_on_recipient(desk, "pause", channel.id or 0, "ada")
    assert "paused" in render_recipients(desk)
    act_on_recipient(desk, "remove", channel.id or 0, "ada")
    assert [s.recipient for s in subscriptions.list()] == ["b@bank.example"]
    with pytest.raises(Conflict):
        subscription_from(desk, None, **form("b@bank.example"))


def test_test_message_without_a_server_says_what_to_set(desk: Desk) -> None:
    delivery, words = send_test(desk, "b@bank.example", "ada")
    assert delivery.state == DeliveryState.PENDING
    assert "BELLWETHER_SMTP_HOST" in words


def test_recipients_are_changed_by_administrators_only(desk: Desk) -> None:
    analyst: Any = Account(1, "ada", AccountRole.ANALYST)
    with pytest.raises(RoleMissing, match="who gets messages"):
        desk.administrator(analyst, "who gets messages")


def test_rules_say_where_each_threshold_comes_from(desk: Desk) -> None:
    services: Any = SimpleNamespace(settings=load_settings(spike_min_negatives=5), replay=desk.services.replay)
    html = render_rules(replace(desk, services=services))
    assert html.count("set by BELLWETHER_SPIKE_MIN_NEGATIVES") == 1
    assert "default" in html
    assert "1, 3, 12, 24, 72" in html


def test_preview_of_rules_compares_with_those_in_force(desk: Desk) -> None:
    same = render_replay(desk, {}, 7)
    assert "alert</span>" in same
    assert "BELLWETHER_" not in same
    html = render_replay(desk, {"min_negatives": 50}, 7)
    assert html.count("− no more") == len(desk.services.alerts.list())
    assert "BELLWETHER_SPIKE_MIN_NEGATIVES=50" in html
    with pytest.raises(InvalidInput, match="min_negatives"):
        render_replay(desk, {"min_negatives": 0}, 7)
    with pytest.raises(InvalidInput):
        render_replay(desk, {}, 9999)


def test_changes_of_form_are_those_that_differ(desk: Desk) -> None:
    values = [getattr(desk.services.settings, field.setting) for field in FIELDS]
    assert changes_of(desk, values) == {}
    assert changes_of(desk, [values[0] + 3, *values[1:]]) == {"min_negatives": values[0] + 3}
    with pytest.raises(InvalidInput, match="Least negative"):
        changes_of(desk, [None, *values[1:]])
