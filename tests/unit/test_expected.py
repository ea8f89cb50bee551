"""Counts and what was to be expected of them, for the picture of an alert."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.expected import expected_points
from app.domain.spikes import HOUR, Mention, SpikeRule

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
RULE = SpikeRule()


def steady(days: int = 28, step: int = 6) -> list[Mention]:
    """A negative article on cyber every `step` hours, and three others."""
    mentions = []
    for number in range(24 * days // step):
        at = NOW - timedelta(hours=step * number + 1)
        mentions.append(Mention(at, "cyber", True, number))
        mentions += [Mention(at, topic, False, 9000 + number) for topic in ("cyber", "deals", "macro")]
    return mentions


def test_points_count_negatives_and_expect_the_usual() -> None:
    points = expected_points(steady(), "cyber", NOW - timedelta(days=7), NOW, 24, RULE)
    assert [p.start.hour for p in points] == [0] * 7
    assert [p.negatives for p in points[:-1]] == [4] * 6
    assert all(p.expected == pytest.approx(4, rel=0.15) for p in points)
    assert all(p.expected < p.high < 12 for p in points)


@pytest.mark.parametrize("hours", [1, 3])
def test_points_of_hours_add_up_to_those_of_days(hours: int) -> None:
    begin = NOW.replace(hour=0) - timedelta(days=3)
    fine = expected_points(steady(), "cyber", begin, begin + timedelta(days=3), hours, RULE)
    days = expected_points(steady(), "cyber", begin, begin + timedelta(days=3), 24, RULE)
    assert len(fine) == 72 // hours
    assert sum(p.negatives for p in fine) == sum(p.negatives for p in days)
    assert sum(p.expected for p in fine) == pytest.approx(sum(p.expected for p in days))


def test_burst_leaves_what_was_expected_of_its_own_day_alone() -> None:
    burst = [Mention(NOW - timedelta(minutes=5 * n), "cyber", True, 5000 + n) for n in range(20)]
    calm = expected_points(steady(), "cyber", NOW - timedelta(days=2), NOW + HOUR, 1, RULE)
    found = expected_points(steady() + burst, "cyber", NOW - timedelta(days=2), NOW + HOUR, 1, RULE)
    assert [p.expected for p in found] == [p.expected for p in calm]
    assert sum(p.negatives for p in found) == sum(p.negatives for p in calm) + 20
    assert max(found, key=lambda p: p.negatives).negatives > 5 * found[-1].high


def test_company_is_a_series_of_its_own() -> None:
    named = [Mention(NOW - timedelta(hours=h), "entity:Copperline", h % 2 == 0, h) for h in range(1, 200)]
    points = expected_points(steady() + named, "entity:Copperline", NOW - timedelta(days=2), NOW, 24, RULE)
    assert points[-2].negatives == 12
    assert not any(
        p.negatives for p in expected_points(steady(), "entity:X", NOW - timedelta(days=2), NOW, 24, RULE)
    )


def test_points_of_nothing_are_none() -> None:
    assert expected_points([], "cyber", NOW - timedelta(days=2), NOW, 1, RULE) == []
