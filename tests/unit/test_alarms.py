"""Whole bursts: how they grow, when they end, and what companies, copies and late news do to them."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.alarms import Alarm, find_alarms
from app.domain.spikes import ENTITY, HOUR, Mention, SpikeRule, detect

START = datetime(2026, 1, 5, tzinfo=UTC)
RULE = SpikeRule()
BURST = 24 * 28 + 9.0  # hours after the start


def mentions(times: list[float], negative: bool = True, topic: str = "cyber", **fields: Any) -> list[Mention]:
    first = 10_000 + int(times[0] * 100) if times else 0
    return [Mention(START + t * HOUR, topic, negative, first + i, **fields) for i, t in enumerate(times)]


def calm(days: int, seed: int = 1, topic: str = "cyber") -> list[Mention]:
    """Six articles a day on a topic, one of them negative."""
    rng = random.Random(seed)
    return [
        Mention(START + 24 * days * HOUR * rng.random(), topic, i % 6 == 0, i + 1 + 1000 * seed)
        for i in range(6 * days)
    ]


def steady(begin: float, hours: float, count: int) -> list[float]:
    return [begin + hours * i / count for i in range(count)]


def only(alarms: list[Alarm], topic: str = "cyber") -> Alarm:
    (alarm,) = [a for a in alarms if a.topic == topic and a.mentions[-1].published_at >= START + BURST * HOUR]
    return alarm


def test_alarm_has_every_negative_of_its_burst_until_it_ends() -> None:
    burst = mentions(steady(BURST, 2, 12)) + mentions(steady(BURST + 2.5, 6, 6))
    neutral = mentions(steady(BURST, 3, 4), negative=False)
    alarm = only(find_alarms(calm(32) + burst + neutral, RULE))
    assert {m.article_id for m in burst} <= set(alarm.article_ids)
    assert all(m.negative for m in alarm.mentions)
    assert alarm.articles == len(alarm.mentions) == len(alarm.article_ids)
    assert alarm.detected_at < burst[11].published_at < alarm.spiked_at
    assert alarm.hours >= 8
    assert alarm.ended_at is not None
    assert alarm.mentions[-1].published_at < alarm.ended_at <= START + (BURST + 9 + max(RULE.windows)) * HOUR


def test_alarm_is_on_until_its_window_is_ordinary() -> None:
    news = calm(40) + mentions(steady(BURST, 2, 12))
    early = only(find_alarms(news, RULE, until=START + (BURST + 2) * HOUR))
    assert early.ended_at is None
    late = only(find_alarms(news, RULE, until=START + (BURST + 90) * HOUR))
    assert late.ended_at is not None
    assert late.ended_at.minute == 0
    same = only(find_alarms(news, RULE, until=late.ended_at))
    assert same.ended_at == late.ended_at, "known as soon as its hour begins"
    assert only(find_alarms(news, RULE, until=late.ended_at - timedelta(seconds=1))).ended_at is None


def test_alarm_begins_with_the_spike_that_detect_yields() -> None:
    news = calm(32) + mentions(steady(BURST, 2, 12))
    (spike,) = detect(news, RULE)
    alarm = only(find_alarms(news, RULE))
    assert alarm.detected_at == spike.detected_at
    assert alarm.started_at <= spike.started_at
    assert alarm.p_value <= spike.p_value
    assert alarm.expected >= spike.expected


@given(st.lists(st.floats(0, 24 * 12), min_size=1, max_size=60), st.floats(24, 24 * 12))
@settings(max_examples=30, deadline=None)
def test_what_comes_later_changes_no_alarm_but_for_its_growth(times: list[float], cut: float) -> None:
    news = calm(12) + mentions(steady(24 * 8, 3, 12)) + mentions(sorted(times), topic="labour")
    until = START + cut * HOUR
    known = find_alarms([m for m in news if m.published_at <= until], RULE, until)
    full = [a for a in find_alarms(news, RULE) if a.detected_at <= until]
    assert find_alarms(news, RULE, until) == known
    assert [(a.topic, a.detected_at) for a in known] == [(a.topic, a.detected_at) for a in full]
    for early, late in zip(known, full, strict=True):
        assert set(early.article_ids) <= set(late.article_ids)
        assert late.p_value <= early.p_value


def test_company_is_a_series_of_its_own_and_adds_nothing_to_the_volume() -> None:
    name = f"{ENTITY}Copperline"
    burst = mentions(steady(BURST, 2, 12))
    of_company = [replace(m, topic=name) for m in burst]
    without = only(find_alarms(calm(32) + burst, RULE))
    both = find_alarms(calm(32) + burst + of_company, RULE)
    assert only(both, name).article_ids == tuple(m.article_id for m in burst)
    assert replace(only(both), watched=without.watched) == without
    neutral = [replace(m, topic=name) for m in calm(32) if not m.negative]
    assert replace(only(find_alarms(calm(32) + burst + neutral, RULE)), watched=without.watched) == without


def test_copies_of_a_story_add_little() -> None:
    one = Mention(START, "cyber", True)
    weights = [replace(one, copies=n).weight(RULE) for n in (1, 2, 4, 16, 100)]
    assert weights == pytest.approx([1.0, 1.25, 1.5, 2.0, 2.0])
    assert replace(one, copies=4, probability=0.5).weight(RULE) == pytest.approx(0.75)
    assert [a for a in find_alarms(calm(32) + mentions([BURST], copies=40), RULE) if a.spiked_at > START] == []
    few = steady(BURST, 1, 4)
    assert find_alarms(calm(32) + mentions(few), RULE) == []
    told = only(find_alarms(calm(32) + mentions(few, copies=12), RULE))
    assert told.articles >= 48
    assert len(told.mentions) < told.articles


def test_archive_that_is_loaded_at_once_neither_fires_nor_hides_a_burst() -> None:
    burst = mentions(steady(BURST, 2, 12))
    seen = START + 24 * 27 * HOUR
    archive = [
        m
        for day in range(5, 26)
        for negative in (True, False)
        for m in mentions(steady(24 * day + 1.0, 20, 40), negative, seen_at=seen)
    ]
    fair = find_alarms(calm(32) + burst, RULE)
    alarms = find_alarms(calm(32) + burst + archive, RULE)
    assert [a.started_at for a in alarms] == [a.started_at for a in fair]
    assert only(alarms).expected < 4 * only(fair).expected
    assert not set(only(alarms).article_ids) & {m.article_id for m in archive}


def test_what_the_first_visit_finds_is_history_and_only_its_last_hours_fire() -> None:
    now = START + 24 * 20 * HOUR
    feed = [replace(m, seen_at=now) for m in calm(20)]
    old = mentions(steady(24 * 20 - 12.0, 4, 20), seen_at=now)
    assert find_alarms(feed + old, RULE, until=now) == []
    fresh = mentions(steady(24 * 20 - 3.0, 2, 12), seen_at=now)
    (alarm,) = find_alarms(feed + fresh, RULE, until=now)
    assert set(alarm.article_ids) >= {m.article_id for m in fresh}
    assert alarm.detected_at > now - RULE.lag_hours * HOUR


def test_no_mentions_no_alarms() -> None:
    assert find_alarms([], RULE) == []
    assert find_alarms(calm(3), RULE, until=START - HOUR) == []
