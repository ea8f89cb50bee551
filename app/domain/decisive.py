"""What would not have fired an alarm: the fewest stories without which the test stays silent.

The test itself is run again, on the one series, with everything that the others brought as it was: the volume of
all news, the hours of silence, the number of series watched.
"""

import pickle
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from app.domain.alarms import Alarm, AlarmLog
from app.domain.spikes import ENTITY, Arrival, Detector, Mention, hour_number

_SMALL = 14  # stories up to which every choice is tried
_TRIALS = 300  # runs that an exact answer may cost
_PUT_BACK = 100  # stories of which each is tried whether it was needed


class Retrial:
    """The replay of one log, open to the question what it takes for an alarm."""

    def __init__(self, log: AlarmLog) -> None:
        self._log = log

    def decisive(self, alarm: Alarm, among: Collection[int] | None = None) -> tuple[int, ...]:
        """Ids of the fewest stories, heaviest first, without which there is no alarm; none if it fires anyway.

        Only articles in `among` (default: all of the alarm) are candidates. The number is exact for small alarms
        of few kinds of story (weight and hour); else the heaviest are left out one after another until it is
        silent, and then each is put back that was not needed.
        """
        trial = _Trial(self._log, alarm)
        stories = [m for m in alarm.mentions if among is None or m.article_id in among]
        stories.sort(key=lambda m: (-m.weight(self._log.rule), m.published_at))
        if trial.fires(stories):
            return ()
        needed = _greedy(trial, stories)
        if len(stories) <= _SMALL:
            needed = _exact(trial, stories, len(needed)) or needed
        return tuple(m.article_id for m in needed)


def _greedy(trial: "_Trial", stories: Sequence[Mention]) -> list[Mention]:
    """A set without which it is silent: a shortest prefix of `stories`, less what is not needed."""
    low, high = 1, len(stories)
    while low < high:
        middle = (low + high) // 2
        if trial.fires(stories[:middle]):
            low = middle + 1
        else:
            high = middle
    needed = list(stories[:high])
    if high <= _PUT_BACK:
        for mention in stories[:high]:
            fewer = [m for m in needed if m is not mention]
            if fewer and not trial.fires(fewer):
                needed = fewer
    return needed


def _exact(trial: "_Trial", stories: Sequence[Mention], size: int) -> list[Mention] | None:
    """A set of fewer than `size` stories without which it is silent, or None."""
    trials = 0
    for fewer in range(1, size):
        seen: set[tuple[tuple[float, int], ...]] = set()
        for chosen in combinations(stories, fewer):
            kind = tuple(sorted((m.weight(trial.rule), hour_number(m.published_at)) for m in chosen))
            if kind in seen:
                continue
            seen.add(kind)
            trials += 1
            if trials > _TRIALS:
                return None
            if not trial.fires(chosen):
                return list(chosen)
    return None


class _Event(NamedTuple):
    """What happens next: articles of other series, then perhaps one of this."""

    hour: int
    quiet: bool  # late news
    total: float = 0.0  # weight of the others' articles
    late: tuple[int, float] | None = None  # hour and weight of a late one of theirs
    own: Arrival | None = None


class _Trial:
    """One series up to the beginning of an alarm, and what came then."""

    def __init__(self, log: AlarmLog, alarm: Alarm) -> None:
        self.rule, self._topic = log.rule, alarm.topic
        first, last = hour_number(alarm.started_at), hour_number(alarm.mentions[-1].published_at)
        self._adds = not alarm.topic.startswith(ENTITY)
        events = list(_events(log, alarm.topic))
        detector = Detector(log.rule, log.stream[0].at, elsewhere=alarm.watched - 1)
        self._fires(detector, [e for e in events if e.hour < first], frozenset(), to_the_end=True)
        self._then = [e for e in events if first <= e.hour <= last]
        self._frozen = pickle.dumps(detector)  # many times faster to copy than by deepcopy

    def fires(self, without: Collection[Mention]) -> bool:
        """Whether there is an alarm in the alarm's time without these stories."""
        detector: Detector = pickle.loads(self._frozen)
        return self._fires(detector, self._then, frozenset(id(m) for m in without))

    def _fires(
        self, detector: Detector, events: Sequence[_Event], without: frozenset[int], to_the_end: bool = False
    ) -> bool:
        watch, fired = detector.watch, False
        for event in events:
            arrival = event.own
            if arrival and id(arrival.mention) in without:
                arrival = None
            detector.advance(event.hour, event.quiet)
            watch.add_total(event.total)
            if event.late:
                watch.add_late_total(*event.late)
            if arrival is None:
                continue
            mention, weight = arrival.mention, arrival.mention.weight(self.rule)
            negatives, rest = (weight, 0.0) if mention.negative else (0.0, weight)
            if arrival.late:
                hour = hour_number(mention.published_at)
                learned = watch.add_late(self._topic, hour, negatives, rest)
                watch.add_late_total(hour, learned if self._adds else 0.0)
                continue
            watch.add_total(weight if self._adds else 0.0)
            fired = watch.add(self._topic, negatives, rest, arrival.quiet) is not None or fired
            if fired and not to_the_end:
                return True
        return fired


def _events(log: AlarmLog, topic: str) -> Iterator[_Event]:
    """The log as one series sees it. Others' articles of an hour are one event until the next of its own."""
    assert log.detector is not None
    learned = iter(log.detector.learned)
    hour, total, pending = 0, 0.0, False
    for arrival in log.stream:
        at, mention = hour_number(arrival.at), arrival.mention
        own, amount = topic in mention.topics, next(learned) if arrival.late else 0.0
        if pending and (at != hour or own or arrival.late):
            yield _Event(hour, False, total)
            total, pending = 0.0, False
        hour = at
        if own:
            yield _Event(at, arrival.late, own=arrival)
        elif arrival.late:
            yield _Event(at, True, late=(hour_number(mention.published_at), amount))
        else:
            total += 0.0 if mention.topic.startswith(ENTITY) else mention.weight(log.rule)
            pending = True
    if pending:
        yield _Event(hour, False, total)
