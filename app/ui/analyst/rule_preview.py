"""The thresholds as people see them, and a past period under those in force beside others."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from app.domain.alerts import Alert, series_of
from app.domain.errors import InvalidInput
from app.domain.replay import ReplayedAlert
from app.ui.analyst.desk import Desk

LONGEST_DAYS = 90
_SHOWN = 100


class Field(NamedTuple):
    """A threshold: its name in domain.rules, the setting that holds it, and its words."""

    name: str
    setting: str
    label: str
    whole: bool = False

    @property
    def variable(self) -> str:
        """The line of the environment that sets it."""
        return f"BELLWETHER_{self.setting.upper()}"


FIELDS = (
    Field("min_negatives", "spike_min_negatives", "Least negative stories", whole=True),
    Field("max_p_value", "spike_max_p_value", "Chance of a false alert (per calm hour)"),
    Field("cooldown_hours", "spike_cooldown_hours", "Hours before a new alert on the same"),
    Field("lag_hours", "spike_lag_hours", "Hours after which news is too late to fire"),
    Field("unsure_below", "unsure_below", "Sentiment is unsure below"),
    Field("group_wait_minutes", "alert_group_wait_minutes", "Minutes before the first message"),
    Field("group_interval_minutes", "alert_group_interval_minutes", "Minutes between updates"),
    Field("repeat_interval_hours", "alert_repeat_interval_hours", "Hours before a repetition"),
    Field("escalate_after_hours", "alert_escalate_after_hours", "Hours to the second list (0: never)"),
)
# What the settings do not hold: said, so that nobody looks for it.
_BUILT_IN = {
    "windows": "Windows tested at once, in hours",
    "min_ratio": "Least ratio to what is expected",
    "release_p_value": "Chance at which a burst counts as over",
    "half_life_hours": "Half-life of the past, in hours",
    "min_history_hours": "Hours of news before anything is tested",
    "series_in_full": "Series from which the budget of false alerts is shared",
}


class Compared(NamedTuple):
    """One alert of a replay. `change` says how it is with the thresholds in force."""

    replayed: ReplayedAlert
    change: str
    messages: int


def render_rules(desk: Desk) -> str:
    """The thresholds in force, each with where it comes from."""
    settings, rule, policy = desk.services.settings, desk.services.replay.rule, desk.services.replay.policy
    rows = []
    for field in FIELDS:
        value = getattr(rule, field.name) if hasattr(rule, field.name) else getattr(policy, field.name)
        given = field.setting in settings.model_fields_set
        rows.append((field.label, f"{value:g}", f"set by {field.variable}" if given else "default"))
    for name, label in _BUILT_IN.items():
        value = getattr(rule, name)
        rows.append((label, _written(value), "built in"))
    return desk.views.render("rules.html", rows=rows)


def changes_of(desk: Desk, values: Sequence[float | None]) -> dict[str, float]:
    """The thresholds of the form that differ from those in force. Raises InvalidInput for an empty one."""
    changes = {}
    for field, value in zip(FIELDS, values, strict=True):
        if value is None:
            raise InvalidInput(f"“{field.label}” is empty; give a number.")
        if value != getattr(desk.services.settings, field.setting):
            changes[field.name] = value
    return changes


def render_preview(desk: Desk, changes: Mapping[str, float], days: int, sample: bool | None = None) -> str:
    """The last `days` with the thresholds in force and with `changes`. Raises InvalidInput."""
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"A preview is of 1 to {LONGEST_DAYS} days.")
    end = desk.clock()
    begin, replay = end - timedelta(days=days), desk.services.replay
    after = replay.run(begin, end, changes, sample=sample)  # first: it checks the thresholds
    before = replay.run(begin, end, sample=sample) if changes else after
    rows = compare(before.alerts, after.alerts)
    return desk.views.render(
        "rules_preview.html",
        days=days,
        changed=bool(changes),
        figures=[
            ("alerts", before.summary["alerts"], after.summary["alerts"]),
            ("messages", before.summary["mails"], after.summary["mails"]),
        ],
        by_kind=after.summary["mails_by_kind"],
        by_recipient=after.summary["mails_by_recipient"],
        rows=rows[:_SHOWN],
        more=max(0, len(rows) - _SHOWN),
        lines=[f"{f.variable}={changes[f.name]:g}" for f in FIELDS if f.name in changes],
    )


def compare(before: Sequence[ReplayedAlert], after: Sequence[ReplayedAlert]) -> list[Compared]:
    """Alerts of both replays, newest first. Bursts on one series that overlap are the same one."""
    rows = []
    for replayed in after:
        known = any(_same(replayed.alert, other.alert) for other in before)
        rows.append(Compared(replayed, "as now" if known else "new", _messages(replayed)))
    for replayed in before:
        if not any(_same(replayed.alert, other.alert) for other in after):
            rows.append(Compared(replayed, "no more", 0))
    return sorted(rows, key=lambda row: row.replayed.alert.detected_at, reverse=True)


def _same(one: Alert, other: Alert) -> bool:
    if series_of(one) != series_of(other):
        return False
    begins_before = lambda a, b: b.ended_at is None or a.started_at <= b.ended_at  # noqa: E731
    return begins_before(one, other) and begins_before(other, one)


def _messages(replayed: ReplayedAlert) -> int:
    return sum(len(message.recipients) for message in replayed.messages)


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
