"""What would have happened: alerts of a period, the messages about them, and how good they are."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from test_alarms import BURST, START, calm, mentions, steady

from app.domain.alerts import Alert, AlertPolicy, Kind, due_notices
from app.domain.replay import Mark, Message, ReplayedAlert, plan, replay, summary
from app.domain.silences import Silence
from app.domain.spikes import HOUR, SpikeRule

AT = START + BURST * HOUR
END = AT + 60 * HOUR
MINUTE = timedelta(minutes=1)
POLICY = AlertPolicy()
ALERT = Alert("cyber", AT - HOUR, AT, "high", 12, 1.3, 1e-12, 3)


def recipients(alert: Alert, kind: str) -> tuple[str, ...]:
    return ("chief@bank.example",) if kind == "escalation" else ("desk@bank.example", "risk@bank.example")


def test_replay_gives_the_alerts_of_the_period_and_their_messages() -> None:
    news = calm(40) + mentions(steady(BURST, 2, 12)) + mentions(steady(BURST + 1, 3, 12), topic="labour")
    found = replay(news, SpikeRule(), POLICY, START + 28 * 24 * HOUR, END, recipients)
    assert {r.alert.topic for r in found} == {"cyber", "labour"}
    cyber = next(r for r in found if r.alert.topic == "cyber")
    assert AT < cyber.known_at == cyber.alert.detected_at < AT + 2 * HOUR
    assert cyber.messages[0] == Message(cyber.known_at, Kind.ALERT, recipients(cyber.alert, "alert"))
    assert Message(cyber.known_at + 2 * HOUR, Kind.ESCALATION, ("chief@bank.example",)) in cyber.messages
    before = replay(news, SpikeRule(), POLICY, START + 20 * 24 * HOUR, AT, recipients)
    after = replay(news, SpikeRule(), POLICY, AT + 5 * HOUR, END, recipients)
    assert not [r for r in before + after if r.alert.detected_at > AT - HOUR]


def test_replay_under_stricter_rules_gives_fewer_alerts() -> None:
    news = calm(40) + mentions(steady(BURST, 2, 8))
    begin = START + 28 * 24 * HOUR
    assert len(replay(news, SpikeRule(), POLICY, begin, END, recipients)) == 1
    assert replay(news, SpikeRule(min_negatives=20), POLICY, begin, END, recipients) == []


def test_alert_is_known_when_the_last_article_that_it_took_was_seen() -> None:
    seen = [replace(m, seen_at=m.published_at + 3 * HOUR) for m in mentions(steady(BURST, 2, 12))]
    (found,) = replay(calm(40) + seen, SpikeRule(), POLICY, START + 28 * 24 * HOUR, END, recipients)
    assert found.known_at == found.alert.detected_at + 3 * HOUR


minutes = st.integers(0, 40 * 60)


@given(
    growths=st.lists(minutes, max_size=8),
    ended=st.none() | minutes,
    silenced=st.none() | st.tuples(minutes, minutes),
    repeat=st.integers(1, 30),
    escalate=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_plan_is_what_due_notices_says_minute_by_minute(
    growths: list[int], ended: int | None, silenced: tuple[int, int] | None, repeat: int, escalate: int
) -> None:
    policy = AlertPolicy(repeat_interval_hours=repeat, escalate_after_hours=escalate)
    times = sorted({AT + (g + 1) * MINUTE for g in growths})
    alert = replace(ALERT, ended_at=None if ended is None else AT + (ended + 1) * MINUTE)
    silences = []
    if silenced and min(silenced) < max(silenced):
        silences = [Silence(AT + min(silenced) * MINUTE, AT + max(silenced) * MINUTE, "mei")]
    end = AT + 40 * HOUR
    assert plan(alert, AT, times, policy, end, silences) == polled(alert, times, policy, end, silences)


def polled(
    alert: Alert, growths: list[datetime], policy: AlertPolicy, end: datetime, silences: list[Silence]
) -> list[tuple[datetime, Kind]]:
    """The same as a scheduler finds it that asks every minute."""
    state, now, told = replace(alert, opened_at=AT, ended_at=None), AT, []
    while now <= end:
        over = alert.ended_at is not None and now >= alert.ended_at
        state = replace(
            state,
            grown_at=max((g for g in growths if g <= now), default=None),
            ended_at=alert.ended_at if over else None,
        )
        held = any(s.is_active(now) for s in silences)
        if now == AT and not held:  # a new alert is told, however short its burst
            told.append((now, Kind.ALERT))
            state = replace(state, notified_at=now)
        while not held and (due := due_notices(state, policy, now)):
            told.append((now, due[0]))
            change = {"escalated_at": now} if due[0] == Kind.ESCALATION else {"notified_at": now}
            state = replace(state, **change)  # type: ignore[arg-type]
        now += MINUTE
    return told


def replayed(topic: str, hours: float, ended: float | None = None) -> ReplayedAlert:
    at = AT + hours * HOUR
    alert = replace(ALERT, topic=topic, started_at=at - HOUR, detected_at=at)
    alert = replace(alert, ended_at=None if ended is None else AT + ended * HOUR)
    return ReplayedAlert(alert, at, (Message(at, Kind.ALERT, ("desk@bank.example",)),))


def test_summary_counts_alerts_and_mails() -> None:
    found = summary([replayed("cyber", 0), replayed("credit", 5)])
    assert (found["alerts"], found["mails"], found["mails_by_kind"]) == (2, 2, {"alert": 2})
    assert found["mails_by_recipient"] == {"desk@bank.example": 2}
    assert found["median_hours_from_first_article"] == 1.0
    assert "precision" not in found
    assert summary([])["alerts"] == 0


def test_summary_measures_against_marked_events() -> None:
    alerts = [replayed("cyber", 0, ended=6), replayed("credit", 5, ended=9), replayed("cyber", 40, ended=50)]
    marks = [Mark("cyber", AT - 2 * HOUR), Mark("labour", AT), Mark("credit", AT + 9 * HOUR)]
    found = summary(alerts, marks)
    assert (found["marked"], found["marked_found"], found["recall"]) == (3, 1, 0.3333)
    assert found["precision"] == 0.3333
    assert found["median_delay_hours"] == 2.0
    early = summary(alerts, [Mark("cyber", AT - 26 * HOUR)])
    assert early["recall"] == 0.0, "more than a day before its first article"
    assert summary([], marks)["precision"] is None
