"""What has been kept long enough leaves."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from app.domain.audit import SYSTEM
from app.domain.retention import RetentionPolicy, cutoff
from app.storage.retention import OldRows

PAUSE = 0.05  # seconds between two transactions, in which other writers have their turn


class Retention:
    """Removes what is older than the policy says. An interrupted run is finished by the next one."""

    def __init__(
        self,
        old_rows: OldRows,
        policy: RetentionPolicy,
        clock: Callable[[], datetime],
        pause: Callable[[], None] = lambda: time.sleep(PAUSE),
    ) -> None:
        self._old_rows, self._policy, self._clock, self._pause = old_rows, policy, clock, pause

    def run(self) -> dict[str, int]:
        """Remove what is too old and compact the database; how many rows of each kind went, and pages."""
        now, policy, old = self._clock(), self._policy, self._old_rows
        kinds = [
            ("articles", policy.articles, old.articles),
            ("conversations", policy.conversations, old.conversations),
            ("alerts", policy.audit, old.alerts),
            ("deliveries", policy.audit, old.deliveries),
            ("silences", policy.audit, old.silences),
            ("tokens", policy.audit, old.tokens),
            ("audit", policy.audit, old.audit),
            ("job_runs", policy.job_runs, old.job_runs),
        ]
        counts = {}
        for kind, days, remove in kinds:
            before = cutoff(now, days)
            counts[kind] = self._all(remove(before)) if before else 0
        told = {kind: count for kind, count in counts.items() if count and kind != "job_runs"}
        if told:
            old.note(now, SYSTEM, told)
        return {**counts, "pages": self._all(old.compact())}

    def _all(self, steps: Iterator[int]) -> int:
        total = 0
        for count in steps:
            total += count
            self._pause()
        return total
