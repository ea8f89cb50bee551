"""The scoring of the Numenta benchmark, against its own worked values and published results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.nab_scoring import (
    FALSE_POSITIVE,
    best_threshold,
    category_scores,
    detection_values,
    gains,
    normalised,
    raw_score,
    sigmoid,
)


def score(detections: set[int], records: int = 200, windows: tuple[tuple[int, int], ...] = ((100, 119),)) -> float:
    found = gains([1.0 if i in detections else 0.0 for i in range(records)], windows)
    return raw_score(found, len(windows), 1.0)


def test_detection_at_the_start_of_a_window_is_worth_one_and_at_its_end_little() -> None:
    assert score({100}) == pytest.approx(1.0)
    assert score({119}) == pytest.approx(sigmoid(-1 / 20) / sigmoid(-1.0))
    assert score({100}) > score({110}) > score({119}) > 0


def test_only_the_best_detection_of_a_window_counts() -> None:
    assert score({105, 110, 119}) == score({105})


def test_missed_window_costs_one() -> None:
    assert score(set()) == -1.0


def test_false_alarm_costs_less_just_behind_a_window() -> None:
    assert score({50, 100}) == pytest.approx(1 - FALSE_POSITIVE)
    assert score({100, 199}) == pytest.approx(1 - FALSE_POSITIVE, abs=1e-3)
    assert score({100, 121}) > score({100, 130}) > 1 - FALSE_POSITIVE


def test_probation_is_not_scored() -> None:
    assert score({0, 29, 100}) == pytest.approx(1.0)
    assert score({30, 100}) < 1.0
    assert score({749, 8000}, 10_000, ((8000, 8100),)) == pytest.approx(1.0)
    assert score({750, 8000}, 10_000, ((8000, 8100),)) < 1.0


def test_second_window_follows_the_first() -> None:
    values = detection_values(60, ((10, 19), (40, 49)))
    assert [number for _, number in values] == [-1] * 10 + [0] * 10 + [-1] * 20 + [1] * 10 + [-1] * 10


def test_one_threshold_serves_all_files() -> None:
    quiet = gains([0.0] * 90 + [0.9] + [0.0] * 9, ((85, 95),))
    noisy = gains([0.5] * 100, ())
    assert best_threshold([quiet, noisy]) == 0.9
    assert best_threshold([noisy]) > 1.0


@given(st.lists(st.integers(0, 100), min_size=20, max_size=200))
def test_gains_add_up_to_the_score_at_every_threshold(numbers: list[int]) -> None:
    scores, windows = [n / 100 for n in numbers], ((10, 14),)
    values = detection_values(len(scores), windows)
    found = gains(scores, windows)
    start = min(int(0.15 * len(scores)), 750)
    for threshold in (0.2, 0.5, 0.9):
        hits = [values[i] for i in range(start, len(scores)) if scores[i] >= threshold]
        inside = max((v for v, w in hits if w == 0), default=-1.0)
        expected = inside + sum(v for v, w in hits if w < 0)
        assert raw_score(found, 1, threshold) == pytest.approx(max(-1.0, inside) + expected - inside)


def test_scores_are_scaled_between_silence_and_perfection() -> None:
    assert normalised(-3.0, 3) == 0
    assert normalised(3.0, 3) == 100
    assert normalised(-0.2, 0) is None
    assert category_scores({"a/x": 1.0, "b/y": -1.0}, {"a/x": 1, "b/y": 2}) == {
        "a": (1.0, 1),
        "b": (-1.0, 2),
        "all": (0.0, 3),
    }
