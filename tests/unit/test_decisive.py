"""The stories without which there would be no alarm: enough of them, and not one too many."""

import random
from dataclasses import replace
from itertools import combinations

import pytest
from test_alarms import BURST, RULE, START, calm, mentions, only, steady

from app.domain.alarms import Alarm, AlarmLog, find_alarms
from app.domain.decisive import Retrial
from app.domain.spikes import ENTITY, HOUR, Mention


def fires(news: list[Mention], alarm: Alarm, without: set[int]) -> bool:
    """By the whole detector: is there an alarm in that time when these articles never came?"""
    left = [m for m in news if m.article_id not in without]
    first, last = alarm.started_at, alarm.mentions[-1].published_at
    return any(
        a.topic == alarm.topic and a.detected_at >= first and a.detected_at <= last for a in find_alarms(left, RULE)
    )


@pytest.mark.parametrize(("count", "hours"), [(7, 1), (12, 2), (20, 5), (30, 60)])
def test_without_the_decisive_stories_it_is_silent(count: int, hours: int) -> None:
    news = calm(34) + mentions(steady(BURST, hours, count))
    log = AlarmLog(news, RULE)
    alarm = only(log.alarms)
    decisive = Retrial(log).decisive(alarm)
    assert 0 < len(decisive) < len(alarm.mentions)
    assert set(decisive) <= set(alarm.article_ids)
    assert not fires(news, alarm, set(decisive))


def test_small_set_is_the_smallest() -> None:
    news = calm(34) + mentions([BURST + t for t in (0, 0.1, 0.2, 1.5, 3.1, 4.2, 7.0, 7.1)])
    log = AlarmLog(news, RULE)
    alarm = only(log.alarms)
    decisive = Retrial(log).decisive(alarm)
    for fewer in combinations(alarm.article_ids, len(decisive) - 1):
        assert fires(news, alarm, set(fewer))


def test_heaviest_story_is_left_out_first() -> None:
    burst = mentions(steady(BURST, 1, 6))
    burst[4] = replace(burst[4], copies=16)
    log = AlarmLog(calm(34) + burst, RULE)
    assert Retrial(log).decisive(only(log.alarms))[0] == burst[4].article_id


def test_each_that_is_named_was_needed() -> None:
    news = calm(34) + mentions(steady(BURST, 10, 25))
    log = AlarmLog(news, RULE)
    alarm = only(log.alarms)
    decisive = set(Retrial(log).decisive(alarm))
    assert all(fires(news, alarm, decisive - {one}) for one in decisive)


def test_candidates_can_be_restricted() -> None:
    news = calm(34) + mentions(steady(BURST, 1, 12))
    log = AlarmLog(news, RULE)
    alarm = only(log.alarms)
    retrial = Retrial(log)
    assert retrial.decisive(alarm, alarm.article_ids[:1]) == (), "it fires all the same"
    half = set(alarm.article_ids[-11:])
    assert set(retrial.decisive(alarm, half)) <= half


def test_retrial_agrees_with_the_detector_among_many_series_and_late_news() -> None:
    """Other topics, companies, a hole and late news: what they do to the test must be the same in the retrial."""
    rng, news = random.Random(4), calm(34)
    for seed, topic in enumerate(("credit", "labour", f"{ENTITY}Copperline"), start=2):
        news += [m for m in calm(34, seed, topic) if not 24 * 12 < (m.published_at - START) / HOUR < 24 * 14]
    news = [
        replace(m, seen_at=m.published_at + 20 * HOUR) if rng.random() < 0.1 else m
        for m in news
        if not START + 24 * 12 * HOUR < m.published_at < START + 24 * 14 * HOUR
    ]
    burst = mentions(steady(BURST, 3, 10), also=("credit",))
    news += burst + [replace(m, topic=f"{ENTITY}Copperline", also=()) for m in burst]
    log = AlarmLog(news, RULE)
    alarms = [a for a in log.alarms if a.detected_at > START + BURST * HOUR]
    assert {a.topic for a in alarms} == {"cyber", "credit", f"{ENTITY}Copperline"}
    for alarm in alarms:
        decisive = set(Retrial(log).decisive(alarm))
        assert decisive
        assert not fires(news, alarm, decisive)
        assert all(fires(news, alarm, decisive - {one}) for one in decisive)
