"""Bursts in many series of counts: lengths, correction for many series, hysteresis, late and fractional counts."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.spikes import Mention, Spike, SpikeRule, detect
from app.domain.watch import Watch

FIRST = 24 * 4  # a Monday
START = datetime(2026, 1, 5, tzinfo=UTC)
RULE = SpikeRule()
HOUR = timedelta(hours=1)


def watched(days: int, rule: SpikeRule = RULE, seed: int = 1, names: int = 1) -> Watch:
    """A watch after calm days: one article in six hours on each series, a third of them negative."""
    rng, watch = random.Random(seed), Watch(rule.limits(), FIRST)
    for hour in range(24 * days):
        watch.begin_hour(FIRST + hour)
        for number in range(names):
            if rng.random() < 1 / 6:
                negative = rng.random() < 1 / 3
                watch.add_total(1)
                watch.add(f"s{number}", float(negative), float(not negative))
    return watch


def burst(watch: Watch, count: int, hours: int, name: str = "s0") -> list[tuple[int, int]]:
    """Window lengths of what is found, with the number of articles that it took."""
    found = []
    for number in range(count):
        watch.begin_hour(max(watch.hour, FIRST + 24 * 28 + number * hours // count))
        watch.add_total(1)
        if finding := watch.add(name, 1.0, 0.0):
            found.append((finding.window_hours, number + 1))
    return found


@pytest.mark.parametrize(("count", "hours", "longest"), [(8, 1, 3), (12, 10, 12), (30, 70, 72)])
def test_burst_of_any_length_is_found(count: int, hours: int, longest: int) -> None:
    found = burst(watched(28), count, hours)
    assert found
    assert found[0][0] <= longest


def test_slow_burn_is_found_only_by_long_windows() -> None:
    short = replace(RULE, windows=(1, 3))
    assert burst(watched(28, short), 22, 70) == []
    assert burst(watched(28), 22, 70) != []


def test_more_series_take_more_evidence() -> None:
    few = burst(watched(28), 25, 5)
    many = burst(watched(28, replace(RULE, series_in_full=1), names=400), 25, 5)
    assert few[0][1] < many[0][1]


def test_bound_is_shared_by_series_only_beyond_the_full_number() -> None:
    limits = RULE.limits()
    assert limits.p_values(1) == limits.p_values(200)
    assert sum(limits.p_values(400)) == pytest.approx(sum(limits.p_values(200)) / 2)


def mentions(times: list[float], negative: bool = True, topic: str = "cyber", **fields: object) -> list[Mention]:
    """Articles so many hours after the start."""
    return [Mention(START + t * HOUR, topic, negative, 1000 + i, **fields) for i, t in enumerate(times)]  # type: ignore[arg-type]


def calm(days: int, seed: int = 1) -> list[Mention]:
    rng = random.Random(seed)
    return mentions(sorted(rng.uniform(0, 24 * days) for _ in range(6 * days)), False) + mentions(
        sorted(rng.uniform(0, 24 * days) for _ in range(days))
    )


def test_alarm_goes_on_until_its_window_is_ordinary_and_its_articles_count_no_more() -> None:
    rule = replace(RULE, cooldown_hours=0)
    first = [24 * 28 + i / 4 for i in range(12)]
    straggler = [24 * 28 + 40.0]
    again = [24 * 28 + 60 + i / 4 for i in range(12)]
    spikes = list(detect(calm(32) + mentions(first + straggler + again), rule))
    onsets = [spike for spike in spikes if spike.detected_at == spike.onset_at]
    assert len(spikes) > len(onsets) == 2
    assert all(spike.detected_at != START + straggler[0] * HOUR for spike in spikes)
    assert onsets[1].started_at > START + straggler[0] * HOUR
    assert {spike.onset_at for spike in spikes} == {spike.detected_at for spike in onsets}


def test_steady_burst_is_one_alarm_however_short_the_cooldown() -> None:
    steady = [24 * 28 + i / 3 for i in range(60)]
    spikes = list(detect(calm(32) + mentions(steady), replace(RULE, cooldown_hours=0.01)))
    assert len(spikes) == 1


def test_articles_that_come_late_fire_nothing() -> None:
    hours = [24 * 25 + i / 4 for i in range(12)]
    seen = START + 24 * 28 * HOUR
    assert list(detect(calm(32) + mentions(hours), RULE)) != []
    assert list(detect(calm(32) + mentions(hours, seen_at=seen), RULE)) == []


def test_articles_seen_within_the_lag_fire() -> None:
    burst_ = [
        replace(m, seen_at=m.published_at + timedelta(hours=5))
        for m in mentions([24 * 28 + i / 4 for i in range(12)])
    ]
    assert len(list(detect(calm(32) + burst_, RULE))) == 1


def test_late_articles_change_nothing_before_they_were_seen() -> None:
    base = calm(32) + mentions([24 * 28 + i / 4 for i in range(12)])
    late = mentions([24 * 20 + i for i in range(30)], seen_at=START + 24 * 29 * HOUR)
    before = [s for s in detect(base, RULE) if s.detected_at < START + 24 * 29 * HOUR]
    assert [s for s in detect(base + late, RULE) if s.detected_at < START + 24 * 29 * HOUR] == before != []


def test_late_articles_raise_what_is_usual() -> None:
    def expected(extra: list[Mention]) -> float:
        (spike,) = detect(calm(32) + mentions([24 * 30 + i / 4 for i in range(14)]) + extra, RULE)
        return spike.expected

    late = mentions([24 * 15 + 7 * i for i in range(20)], seen_at=START + 24 * 27 * HOUR)
    assert expected(late) > expected([])


def found(events: list[tuple[float, bool]], until: float | None = None) -> list[Spike]:
    items = calm(10) + [
        m
        for i, (t, negative) in enumerate(events)
        for m in mentions([t], negative, "labour", also=("esg",) * (i % 3 == 0))
    ]
    return list(detect(items, replace(RULE, cooldown_hours=0), None if until is None else START + until * HOUR))


@given(st.lists(st.tuples(st.floats(0, 24 * 9), st.booleans()), max_size=60), st.floats(24.0, 24 * 9))
@settings(max_examples=30, deadline=None)
def test_what_comes_later_never_changes_what_was_found(events: list[tuple[float, bool]], cut: float) -> None:
    early = [e for e in events if e[0] <= cut]
    known = [s for s in found(events) if s.detected_at <= START + cut * HOUR]
    assert [s for s in found(early) if s.detected_at <= START + cut * HOUR] == known
    assert found(events, until=cut) == known


@given(st.integers(5, 30), st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_more_negatives_are_never_less_improbable(count: int, more: int) -> None:
    def smallest(n: int) -> float:
        return min((s.p_value for s in found([(24 * 8 + i * 0.9 / n, True) for i in range(n)])), default=1.0)

    assert smallest(count + more) <= smallest(count)


def test_half_articles_count_half() -> None:
    watch, other = watched(28), watched(28)
    whole = [watch.add("s0", 1.0, 0.0) for _ in range(12)]
    halves = [other.add("s0", 0.5, 0.0) for _ in range(24)]
    assert sum(f is not None for f in whole) > 0
    assert halves.index(next(f for f in halves if f)) >= 2 * whole.index(next(f for f in whole if f))
