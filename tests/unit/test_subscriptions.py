"""Who wants what and when: subscriptions, quiet hours, periods of digests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.errors import InvalidInput
from app.domain.subscriptions import NOTHING, Subscription, checked, shown

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)  # a Monday
ANY = Subscription("desk@bank.example")


@pytest.mark.parametrize(
    ("changes", "topic", "entity", "wanted"),
    [
        ({}, "cyber", "", True),
        ({}, "", "Copperline", True),
        ({"topics": ("cyber",)}, "cyber", "", True),
        ({"topics": ("cyber",)}, "deals", "", False),
        ({"topics": ("cyber",)}, "", "Copperline", True),
        ({"topics": (NOTHING,)}, "cyber", "", False),
        ({"topics": (NOTHING,), "entities": ("Copperline",)}, "", "Copperline", True),
        ({"topics": (NOTHING,), "entities": ("Copperline",)}, "", "Jianghai", False),
        ({"entities": (NOTHING,)}, "", NOTHING, False),
        ({"enabled": False}, "cyber", "", False),
    ],
)
def test_wants_by_topic_and_company(changes: dict[str, Any], topic: str, entity: str, wanted: bool) -> None:
    assert replace(ANY, **changes).wants(topic, entity, "low", "alert") is wanted


def test_wants_by_severity() -> None:
    found = [replace(ANY, min_severity="medium").wants("cyber", "", s, "alert") for s in ("low", "medium", "high")]
    assert found == [False, True, True]


def test_second_list_hears_of_escalations_alone() -> None:
    kinds = ("alert", "update", "escalation")
    assert [ANY.wants("cyber", "", "low", kind) for kind in kinds] == [True, True, False]
    second = replace(ANY, escalation=True)
    assert [second.wants("cyber", "", "low", kind) for kind in kinds] == [False, False, True]


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        (datetime(2026, 3, 2, 13, 59, tzinfo=UTC), None),  # 21:59 in Shanghai
        (datetime(2026, 3, 2, 14, 0, tzinfo=UTC), datetime(2026, 3, 2, 23, 0, tzinfo=UTC)),
        (datetime(2026, 3, 2, 20, 0, tzinfo=UTC), datetime(2026, 3, 2, 23, 0, tzinfo=UTC)),  # after midnight there
        (datetime(2026, 3, 2, 23, 0, tzinfo=UTC), None),
    ],
)
def test_quiet_hours_over_midnight_end_in_the_recipients_morning(now: datetime, ends: datetime | None) -> None:
    quiet = replace(ANY, quiet_from="22:00", quiet_until="07:00", time_zone="Asia/Shanghai")
    assert quiet.quiet_end("medium", now) == ends
    assert quiet.quiet_end("high", now) is None, "what is severe gets through"
    assert ANY.quiet_end("low", now) is None


def test_quiet_hours_within_a_day_and_empty_ones() -> None:
    noon = replace(ANY, quiet_from="12:00", quiet_until="15:00")
    assert noon.quiet_end("", NOW) == NOW + timedelta(hours=1)
    assert noon.quiet_end("", NOW + timedelta(hours=1)) is None
    assert replace(ANY, quiet_from="12:00", quiet_until="12:00").quiet_end("", NOW) is None


@pytest.mark.parametrize("minutes", range(0, 26 * 60, 30))
def test_quiet_end_lies_ahead_also_when_clocks_change(minutes: int) -> None:
    quiet = replace(ANY, quiet_from="00:30", quiet_until="02:30", time_zone="Europe/London")
    for day in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        now = day + timedelta(minutes=minutes)
        end = quiet.quiet_end("low", now)
        assert end is None or now < end <= now + timedelta(hours=4)


@pytest.mark.parametrize(
    ("zone", "digest", "begin", "end"),
    [
        ("UTC", "daily", "2026-03-01T07:00", "2026-03-02T07:00"),
        ("America/Los_Angeles", "daily", "2026-02-28T15:00", "2026-03-01T15:00"),  # 06:00 there: not yet
        ("Asia/Shanghai", "weekly", "2026-02-22T23:00", "2026-03-01T23:00"),
        ("America/Los_Angeles", "weekly", "2026-02-16T15:00", "2026-02-23T15:00"),
    ],
)
def test_digest_period_ends_at_seven_in_the_recipients_zone(zone: str, digest: str, begin: str, end: str) -> None:
    period = replace(ANY, digest=digest, time_zone=zone).digest_period(NOW)
    assert period == tuple(datetime.fromisoformat(at).replace(tzinfo=UTC) for at in (begin, end))


def test_digest_period_follows_the_clock_through_a_change_to_summer_time() -> None:
    london = replace(ANY, digest="daily", time_zone="Europe/London")
    begin, end = london.digest_period(datetime(2026, 3, 29, 12, tzinfo=UTC)) or (NOW, NOW)
    assert end - begin == timedelta(hours=23)
    assert ANY.digest_period(NOW) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipient": "desk"}, "neither an e-mail address"),
        ({"recipient": "a@b.example\nBcc: c@d.example"}, "printable"),
        ({"recipient": "a@b.example, c@d.example"}, "neither"),
        ({"recipient": "mailto://user:secret@bank.example"}, "address alone"),
        ({"min_severity": "huge"}, "low, medium, high"),
        ({"quiet_from": "22:00"}, "HH:MM"),
        ({"quiet_from": "22:00", "quiet_until": "24:00"}, "HH:MM"),
        ({"time_zone": "Mars/Base"}, "Asia/Shanghai"),
        ({"language": "fr"}, "en or zh"),
        ({"digest": "hourly"}, "daily or weekly"),
    ],
)
def test_checked_names_what_makes_no_sense(changes: dict[str, Any], reason: str) -> None:
    assert checked(ANY) == ANY
    with pytest.raises(InvalidInput, match=reason):
        checked(replace(ANY, **changes))


@pytest.mark.parametrize(
    ("recipient", "visible"),
    [
        ("desk@bank.example", "desk@bank.example"),
        ("slack://T0KENA/T0KENB/T0KENC/#risk", "slack://T0K…"),
        ("jsons://user:secret@hooks.bank.example:8443/path/secret?x=secret", "jsons://hooks.bank.example:8443…"),
    ],
)
def test_shown_hides_the_secrets_of_a_channel(recipient: str, visible: str) -> None:
    assert shown(recipient) == visible
