"""From alarms to alerts: one for each burst, which grows, never shrinks, and ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.alarms import Alarm
from app.domain.alerts import Alert
from app.domain.grouping import Group, group_alarms
from app.domain.spikes import Mention

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = AT + 30 * HOUR


def mentions(*ids: int, at: float = 0.0, copies: int = 1) -> tuple[Mention, ...]:
    return tuple(Mention(AT + (at - 1 + n / 60) * HOUR, "cyber", True, i, copies=copies) for n, i in enumerate(ids))


ALARM = Alarm("cyber", AT, AT + HOUR, 3, 1e-7, 1.2, mentions(1, 2, 3, 4, 5))


def later(hours: float, *ids: int, **changes: Any) -> Alarm:
    moved = mentions(*ids, at=hours)
    shift = hours * HOUR
    return replace(
        ALARM, detected_at=AT + shift, spiked_at=AT + shift, **{"mentions": moved, "ended_at": None, **changes}
    )


def grouped(
    *alarms: Alarm, stored: Alert | None = None, cooldown: timedelta = DAY, since: datetime = AT - DAY
) -> list[Group]:
    latest = {stored.topic: stored} if stored else {}
    return group_alarms(alarms, latest, cooldown, since, NOW)


def stored_after(*alarms: Alarm) -> Alert:
    (group,) = grouped(*alarms)
    return replace(group.alert, id=7)


def test_alarm_becomes_an_alert_with_its_measures() -> None:
    alarm = replace(ALARM, mentions=mentions(1, 2, 3, copies=4), ended_at=AT + 5 * HOUR)
    (group,) = grouped(alarm)
    alert = group.alert
    assert (alert.topic, alert.entity, alert.id) == ("cyber", "", None)
    assert (alert.started_at, alert.detected_at, alert.ended_at) == (alarm.started_at, AT, AT + 5 * HOUR)
    assert (alert.negatives, alert.stories, alert.article_ids) == (12, 3, (1, 2, 3))
    assert (alert.expected, alert.p_value, alert.severity, alert.window_hours) == (1.2, 1e-7, "medium", 3)
    assert group.alarms == (alarm,)


def test_alarm_on_a_company_becomes_an_alert_on_it() -> None:
    (group,) = grouped(replace(ALARM, topic="entity:Copperline"))
    assert (group.alert.topic, group.alert.entity) == ("", "Copperline")


def test_alert_grows_and_never_shrinks() -> None:
    before = stored_after(ALARM)
    (grown,) = grouped(replace(ALARM, mentions=mentions(*range(3, 16)), p_value=1e-12), stored=before)
    assert grown.alert.article_ids == tuple(range(1, 16))
    assert (grown.alert.id, grown.alert.negatives, grown.alert.stories) == (7, 15, 15)
    assert (grown.alert.severity, grown.alert.p_value) == ("high", 1e-12)
    (less,) = grouped(replace(ALARM, mentions=mentions(3, 4), p_value=1e-5, ended_at=NOW), stored=grown.alert)
    assert replace(less.alert, ended_at=None) == grown.alert


def test_nothing_new_is_no_change() -> None:
    before = stored_after(ALARM)
    assert grouped(ALARM, stored=before) == []
    assert grouped(replace(ALARM, p_value=0.9e-7, expected=1.3), stored=before) == [], "drift is no news"


def test_more_copies_of_its_stories_are_growth() -> None:
    (grown,) = grouped(replace(ALARM, mentions=mentions(1, 2, 3, 4, 5, copies=2)), stored=stored_after(ALARM))
    assert (grown.alert.negatives, grown.alert.stories) == (10, 5)


def test_alert_ends_and_goes_on() -> None:
    ended = replace(ALARM, ended_at=AT + 4 * HOUR)
    (over,) = grouped(ended, stored=stored_after(ALARM))
    assert over.alert.ended_at == AT + 4 * HOUR
    (on,) = grouped(ended, later(10, 8, 9), stored=over.alert)
    assert (on.alert.ended_at, on.alert.article_ids) == (None, (1, 2, 3, 4, 5, 8, 9))
    assert on.alert.expected == 2 * ALARM.expected, "in the time of both"
    assert grouped(ended, later(10, 8, 9), stored=on.alert) == []


def test_alert_whose_burst_is_not_found_again_has_ended() -> None:
    (gone,) = grouped(stored=stored_after(ALARM))
    assert gone.alert == replace(stored_after(ALARM), ended_at=NOW)
    assert grouped(stored=gone.alert) == []


def test_burst_that_is_seen_to_begin_earlier_is_the_same() -> None:
    """A late article, still within the lag, may tip the scale before the one that did so first."""
    earlier = later(-0.5, 1, 2, 99, 3, 4, 5)
    (group,) = grouped(earlier, stored=stored_after(ALARM), cooldown=timedelta(0))
    assert (group.alert.id, group.alert.detected_at) == (7, AT)
    assert 99 in group.alert.article_ids


def test_alarms_within_the_cooldown_join_and_those_after_it_do_not() -> None:
    first = replace(ALARM, ended_at=AT + 3 * HOUR)
    joined, apart = later(23.9, 10, 11, ended_at=AT + 25 * HOUR), later(26, 20, 21)
    one, two = grouped(first, joined, apart)
    assert one.alert.article_ids == (1, 2, 3, 4, 5, 10, 11)
    assert (two.alert.detected_at, two.alert.article_ids) == (apart.detected_at, (20, 21))
    assert len(grouped(first, joined, cooldown=timedelta(0))) == 2


def test_long_burst_stays_one_alert_however_short_the_cooldown() -> None:
    slow = replace(ALARM, mentions=ALARM.mentions + mentions(6, 7, at=48), spiked_at=AT + 48 * HOUR)
    (group,) = grouped(slow, stored=stored_after(ALARM), cooldown=timedelta(0))
    assert group.alert.id == 7


def test_old_alarms_alarm_nobody_unless_their_alert_is_there() -> None:
    assert grouped(ALARM, since=AT + 2 * HOUR) == []
    assert len(grouped(ALARM, since=AT + HOUR)) == 1, "improbable to the last"
    (over,) = grouped(replace(ALARM, ended_at=NOW), stored=stored_after(ALARM), since=NOW)
    assert over.alert.ended_at == NOW


def test_alarm_before_the_last_alert_had_its_own() -> None:
    last = replace(stored_after(later(26, 20, 21)), ended_at=AT + 29 * HOUR)
    before = replace(ALARM, ended_at=AT + 3 * HOUR)
    assert grouped(before, later(26, 20, 21, ended_at=AT + 29 * HOUR), stored=last) == []


def test_series_are_apart() -> None:
    groups = grouped(ALARM, replace(later(1, 8, 9), topic="credit"))
    assert [g.alert.topic for g in groups] == ["cyber", "credit"]
