"""Thresholds as people write them."""

from typing import Any

import pytest

from app.domain.alerts import AlertPolicy
from app.domain.errors import InvalidInput
from app.domain.rules import with_changes
from app.domain.spikes import SpikeRule


def test_changes_go_to_the_rule_and_to_the_policy() -> None:
    changes = {"windows": [24, 1, 3, 3], "min_negatives": 8, "max_p_value": 1e-5, "group_wait_minutes": 5}
    rule, policy = with_changes(SpikeRule(), AlertPolicy(), changes)
    assert rule == SpikeRule(windows=(1, 3, 24), min_negatives=8, max_p_value=1e-5)
    assert policy == AlertPolicy(group_wait_minutes=5.0)


def test_no_changes_leave_both() -> None:
    rule, policy = SpikeRule(min_negatives=9), AlertPolicy(repeat_interval_hours=3)
    assert with_changes(rule, policy, {}) == (rule, policy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_negative", 5),
        ("min_negatives", 0),
        ("min_negatives", 2.5),
        ("min_negatives", True),
        ("max_p_value", 0),
        ("max_p_value", "1e-5"),
        ("max_p_value", float("nan")),
        ("cooldown_hours", -1),
        ("windows", []),
        ("windows", [0]),
        ("windows", [1, 200]),
        ("windows", ["1"]),
        ("windows", None),
        ("escalate_after_hours", None),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=name):
        with_changes(SpikeRule(), AlertPolicy(), {name: value})
