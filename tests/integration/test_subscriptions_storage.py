"""Subscriptions as they are kept, who gets what by them, and the command that changes them."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.alerts import Alert
from app.domain.errors import InvalidInput, NotFound
from app.domain.subscriptions import NOTHING, Subscription
from app.services.subscriptions import Subscriptions
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.subscriptions import StoredSubscriptions
from pipelines import subscriptions as command
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
ALERT = Alert("cyber", NOW, NOW, "medium", 12, 1.3, 1e-8, 3)
DESK, RISK, BOSS = "desk@bank.example", "risk@bank.example", "boss@bank.example"


@pytest.fixture
def subscriptions(database: Database) -> Subscriptions:
    return Subscriptions(StoredSubscriptions(database), (DESK, RISK, DESK), ManualClock(NOW), "Asia/Shanghai")


def test_without_subscriptions_the_settings_recipients_get_everything(subscriptions: Subscriptions) -> None:
    assert subscriptions.recipients(ALERT, "alert") == (DESK, RISK)
    assert subscriptions.recipients(ALERT, "update") == (DESK, RISK)
    assert subscriptions.recipients(ALERT, "escalation") == ()
    assert subscriptions.of(DESK).time_zone == "Asia/Shanghai"


def test_subscriptions_take_the_place_of_the_settings_recipients(subscriptions: Subscriptions) -> None:
    subscriptions.save(Subscription(RISK, topics=("deals",)))
    subscriptions.save(Subscription("json://hook.bank.example/x", entities=(NOTHING,)))
    subscriptions.save(Subscription(BOSS, escalation=True))
    assert subscriptions.recipients(ALERT, "alert") == ("json://hook.bank.example/x",)
    assert subscriptions.recipients(ALERT, "escalation") == (BOSS,)


def test_saved_subscription_comes_back_as_it_was(subscriptions: Subscriptions) -> None:
    given = Subscription(
        DESK, ("cyber",), ("Copperline",), "medium", "22:00", "07:00", "Europe/London", "zh", "weekly"
    )
    saved = subscriptions.save(given)
    assert subscriptions.of(DESK) == saved
    assert saved == Subscription(
        DESK, ("cyber",), ("Copperline",), "medium", "22:00", "07:00", "Europe/London", "zh", "weekly",
        last_digest_at=NOW, id=saved.id,
    )  # fmt: skip


def test_changes_are_recorded_without_secrets(subscriptions: Subscriptions, database: Database) -> None:
    hook = "json://user:secret@hook.bank.example/secret"
    subscriptions.save(Subscription(hook), "mei")
    subscriptions.save(Subscription(hook, min_severity="high"), "mei")
    subscriptions.remove(hook, "tom")
    entries = Audit(database).entries("subscription")
    assert [(e.actor, e.action) for e in entries] == [("tom", "remove"), ("mei", "change"), ("mei", "subscribe")]
    assert entries[1].details == {"recipient": "json://hook.bank.example…", "min_severity": "high"}
    assert "secret" not in str(entries)
    with pytest.raises(NotFound):
        subscriptions.remove(hook)


def test_choice_of_one_of_the_settings_recipients_silences_nobody_else(subscriptions: Subscriptions) -> None:
    subscriptions.choose(Subscription(DESK, enabled=False))
    assert subscriptions.recipients(ALERT, "alert") == (RISK,)
    with pytest.raises(InvalidInput):
        subscriptions.choose(Subscription(RISK, language="fr"))


def test_quiet_hours_are_those_of_the_recipient(subscriptions: Subscriptions) -> None:
    subscriptions.save(Subscription(DESK, quiet_from="22:00", quiet_until="07:00", time_zone="Asia/Shanghai"))
    assert subscriptions.held_until(DESK, "low") == NOW + timedelta(hours=9)
    assert subscriptions.held_until(DESK, "high") is None
    assert subscriptions.held_until(RISK, "low") is None


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *options: str) -> list[dict]:
    monkeypatch.setattr(sys, "argv", ["subscriptions", *options])
    command.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_command_adds_changes_lists_and_removes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--data-dir", str(tmp_path))
    assert run(capsys, monkeypatch, "--list", *where) == []
    options = ("--topics", "cyber, deals", "--quiet", "22:00-07:00", "--digest", "daily", "--language", "zh")
    (added,) = run(capsys, monkeypatch, "--add", DESK, *options, *where)
    assert (added["topics"], added["quiet_until"], added["digest"]) == (["cyber", "deals"], "07:00", "daily")
    (changed,) = run(capsys, monkeypatch, "--add", DESK, "--min-severity", "high", "--quiet", "", *where)
    assert changed == {**added, "min_severity": "high", "quiet_from": "", "quiet_until": ""}
    assert run(capsys, monkeypatch, "--list", *where) == [changed]
    assert run(capsys, monkeypatch, "--remove", DESK, *where) == [{"removed": DESK}]
    assert run(capsys, monkeypatch, "--list", *where) == []
    for wrong in (("--add", "nobody"), ("--remove", DESK), ("--add", DESK, "--quiet", "22:00")):
        with pytest.raises((InvalidInput, NotFound)):
            run(capsys, monkeypatch, *wrong, *where)
