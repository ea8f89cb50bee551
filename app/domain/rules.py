"""Thresholds as people write them: names and values, checked, over those in force."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from app.domain.alerts import AlertPolicy
from app.domain.errors import InvalidInput
from app.domain.spikes import SpikeRule

LONGEST_WINDOW = 120  # hours; what the detector remembers of the days before reaches no further
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "min_negatives": (1, 1000),
    "min_ratio": (0, 100),
    "max_p_value": (1e-30, 0.5),
    "series_in_full": (1, 1_000_000),
    "release_p_value": (1e-6, 1),
    "half_life_hours": (24, 8760),
    "min_history_hours": (0, 8760),
    "cooldown_hours": (0, 8760),
    "lag_hours": (0, 8760),
    "unsure_below": (0, 1),
    "group_wait_minutes": (0, 1440),
    "group_interval_minutes": (1, 10080),
    "repeat_interval_hours": (0.1, 8760),
    "escalate_after_hours": (0, 8760),
}
_WHOLE = {"min_negatives", "series_in_full", "min_history_hours"}


def with_changes(rule: SpikeRule, policy: AlertPolicy, changes: Mapping[str, Any]) -> tuple[SpikeRule, AlertPolicy]:
    """Both with the fields that are named in `changes`. Raises InvalidInput that names the field at fault."""
    values = {name: _checked(name, value) for name, value in changes.items()}
    of_rule = {f.name for f in fields(SpikeRule)}
    return (
        replace(rule, **{name: value for name, value in values.items() if name in of_rule}),
        replace(policy, **{name: value for name, value in values.items() if name not in of_rule}),
    )


def _checked(name: str, value: Any) -> Any:
    if name == "windows":
        return _windows(value)
    if name not in _BOUNDS:
        raise InvalidInput(f"There is no rule {name!r}; use some of windows, {', '.join(_BOUNDS)}.")
    low, high = _BOUNDS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidInput(f"{name} is a number from {low:g} to {high:g}, not {value!r}.")
    if name in _WHOLE and value != int(value):
        raise InvalidInput(f"{name} is a whole number, not {value!r}.")
    return int(value) if name in _WHOLE else float(value)


def _windows(value: Any) -> tuple[int, ...]:
    lengths = value if isinstance(value, list | tuple) else [value]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= LONGEST_WINDOW for n in lengths)
    if not lengths or not whole:
        raise InvalidInput(
            f"windows are whole hours from 1 to {LONGEST_WINDOW}, such as [1, 3, 24]; not {value!r}."
        )
    return tuple(sorted(set(lengths)))
