"""Anomaly scores of series: causal, indifferent to the unit, awake to each kind of surprise."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.anomaly import SeriesScorer, score_series

START = datetime(2026, 1, 5, tzinfo=UTC)


def times(count: int, minutes: int = 30) -> list[datetime]:
    return [START + timedelta(minutes=minutes * i) for i in range(count)]


def days(count: int, seed: int = 1) -> list[float]:
    """Half-hourly values with a daily wave."""
    rng = random.Random(seed)
    return [100 + 40 * math.sin(2 * math.pi * i / 48) + rng.gauss(0, 3) for i in range(48 * count)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=150), st.integers(1, 150))
@settings(max_examples=40, deadline=None)
def test_scores_are_in_range_and_know_nothing_of_the_future(values: list[float], cut: int) -> None:
    scores = list(score_series(values, times(len(values))))
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert list(score_series(values[:cut], times(len(values))[:cut])) == scores[:cut]


@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e6])
def test_unit_of_the_values_does_not_matter(unit: float) -> None:
    values = days(12)
    values[400] += 90
    assert list(score_series([unit * v for v in values], times(len(values)))) == pytest.approx(
        list(score_series(values, times(len(values)))), abs=1e-6
    )


def best(values: list[float], first: int, last: int) -> float:
    return max(list(score_series(values, times(len(values))))[first:last])


def test_each_kind_of_surprise_scores_above_all_of_the_calm_past() -> None:
    calm = best(days(20), 400, 960)
    spike, drop, shift, stillness = (days(20) for _ in range(4))
    spike[800] += 120
    drop[800:803] = [-50.0] * 3
    shift[800:] = [v + 60 for v in shift[800:]]
    stillness[800:848] = [100.0] * 48
    for values in (spike, drop, shift, stillness):
        assert best(values, 790, 850) > calm


def test_usual_value_at_an_unusual_time_is_a_surprise() -> None:
    """Noon at midnight: no extreme, and with its neighbours no jump."""
    values = days(20)
    values[801:824] = [v * 0.0 + 140 for v in values[801:824]]
    assert best(values, 800, 830) > best(days(20), 600, 830)


def test_excursion_scores_at_its_onset_only() -> None:
    values = days(20)
    values[800:830] = [400.0] * 30
    scores = list(score_series(values, times(len(values))))
    assert scores[800] > 0.9
    assert sum(score > 0.5 for score in scores[800:830]) == 1


def test_rarity_is_measured_by_the_series_own_past() -> None:
    """A tenth spike of the kind is less of a surprise than the first."""
    values = [10.0 + (i % 7) for i in range(3000)]
    for i in range(500, 3000, 250):
        values[i] = 80.0
    scores = list(score_series(values))
    assert scores[500] > 0.9 > scores[2750]


def test_first_values_score_nothing() -> None:
    scorer = SeriesScorer()
    assert [scorer.score(v) for v in [1.0, 1e9, -1e9] * 15] == [0.0] * 45


def test_times_that_do_not_move_are_no_time_of_day() -> None:
    values = [float(i % 5) for i in range(300)]
    assert all(0 <= s <= 1 for s in score_series(values, [START] * 300))
