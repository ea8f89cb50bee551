"""The part of the composition root that watches what is stored; it needs no model."""

from app.config import Settings
from app.domain.alerts import AlertPolicy
from app.domain.spikes import SpikeRule
from app.services.replay import Replay
from app.services.subscriptions import Subscriptions
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.silences import Silences


def spike_rule(settings: Settings) -> SpikeRule:
    """The thresholds in force."""
    return SpikeRule(
        min_negatives=settings.spike_min_negatives,
        max_p_value=settings.spike_max_p_value,
        cooldown_hours=settings.spike_cooldown_hours,
        lag_hours=settings.spike_lag_hours,
        unsure_below=settings.unsure_below,
    )


def alert_policy(settings: Settings) -> AlertPolicy:
    """When messages are written."""
    return AlertPolicy(
        settings.alert_group_wait_minutes,
        settings.alert_group_interval_minutes,
        settings.alert_repeat_interval_hours,
        settings.alert_escalate_after_hours,
    )


def build_replay(settings: Settings, database: Database, subscriptions: Subscriptions) -> Replay:
    """Replays of what is stored, told to today's subscribers."""
    return Replay(
        Articles(database),
        Silences(database),
        subscriptions.recipients,
        spike_rule(settings),
        alert_policy(settings),
    )
