"""Any past period under other thresholds. Nothing is stored and nobody is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.alerts import Alert, AlertPolicy
from app.domain.errors import InvalidInput
from app.domain.replay import Mark, ReplayedAlert, replay, summary
from app.domain.rules import with_changes
from app.domain.spikes import SpikeRule
from app.services.alerting import HISTORY
from app.storage.articles import Articles
from app.storage.silences import Silences


@dataclass(frozen=True)
class ReplayReport:
    """What would have been. `summary` is that of domain.replay."""

    alerts: Sequence[ReplayedAlert]
    summary: Mapping[str, Any] = field(default_factory=dict)


class Replay:
    """Replays the stored articles; `rule` and `policy` are those in force."""

    def __init__(
        self,
        articles: Articles,
        silences: Silences,
        recipients_of: Callable[[Alert, str], Sequence[str]],
        rule: SpikeRule,
        policy: AlertPolicy,
    ) -> None:
        self._articles, self._silences, self._recipients_of = articles, silences, recipients_of
        self.rule, self.policy = rule, policy

    def run(
        self,
        begin: datetime,
        end: datetime,
        changes: Mapping[str, Any] | None = None,
        marks: Sequence[Mark] = (),
        sample: bool | None = None,
    ) -> ReplayReport:
        """The period with some thresholds changed (domain.rules); of all articles, or of the sample or the others.

        Silences of the time are in force. Raises InvalidInput for thresholds or a period that make no sense.
        """
        if end <= begin:
            raise InvalidInput("The period ends before it begins; give an end after its beginning.")
        rule, policy = with_changes(self.rule, self.policy, changes or {})
        mentions = self._articles.mentions(begin - HISTORY, end, sample)
        mentions += self._articles.entity_mentions(begin - HISTORY, end, sample)
        silences = self._silences.between(begin, end)
        found = replay(mentions, rule, policy, begin, end, self._recipients_of, silences)
        return ReplayReport(found, summary(found, [m for m in marks if begin <= m.at <= end]))
