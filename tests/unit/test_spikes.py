"""The spike detector: its arithmetic, what it finds, and what it leaves alone."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.spikes import Mention, Spike, SpikeRule, detect, score_series, tail_probability

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
RULE = SpikeRule()
TOPICS = {"credit": 6.0, "cyber": 1.5, "earnings": 8.0, "labour": 3.0, "misconduct": 2.0, "product": 5.0}  # a day
SHARES = {"credit": 0.4, "cyber": 0.6, "earnings": 0.3, "labour": 0.5, "misconduct": 0.9, "product": 0.3}


def poisson(rng: random.Random, mean: float) -> int:
    count, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


def calm(days: int, seed: int, scale: float = 1.0) -> list[Mention]:
    """News with the rhythm of office hours and weekends, and a constant mixture of sentiment."""
    rng = random.Random(seed)
    mentions: list[Mention] = []
    for hour in range(24 * days):
        at = START + timedelta(hours=hour)
        rhythm = (2.0 if 7 <= at.hour < 19 else 0.25) * (1.2 if at.weekday() < 5 else 0.4)
        for topic, per_day in TOPICS.items():
            for _ in range(poisson(rng, scale * rhythm * per_day / 24)):
                moment = at + timedelta(seconds=rng.randrange(3600))
                mentions.append(Mention(moment, topic, rng.random() < SHARES[topic], len(mentions) + 1))
    return mentions


def burst(at: datetime, count: int, hours: float, topic: str = "cyber", negative: bool = True) -> list[Mention]:
    step = timedelta(hours=hours) / count
    return [Mention(at + i * step, topic, negative, 100_000 + i) for i in range(count)]


def found(mentions: list[Mention], until: datetime | None = None, rule: SpikeRule = RULE) -> list[Spike]:
    return list(detect(mentions, rule, until))


@pytest.mark.parametrize("mean", [0.02, 0.7, 3.0, 40.0, 900.0])
@pytest.mark.parametrize("excess", [0.0, 1e-8, 0.3, 4.0, 200.0])
def test_tail_probability_agrees_with_scipy(mean: float, excess: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for count in (0, 1, 2, 5, 12, 37, 100, 1000):
        if excess > 1e-6:
            expected = stats.nbinom(mean / excess, 1 / (1 + excess)).sf(count - 1)
        else:
            expected = stats.poisson(mean).sf(count - 1)
        assert tail_probability(count, mean, mean * (1 + excess)) == pytest.approx(expected, rel=1e-5, abs=1e-290)


@settings(deadline=None)
@given(st.floats(0, 5000), st.floats(0, 5000), st.floats(0, 1000))
def test_tail_probability_is_a_probability_whatever_the_numbers(count: float, mean: float, excess: float) -> None:
    assert 0.0 <= tail_probability(count, mean, mean * excess) <= 1.0


@settings(deadline=None)
@given(st.integers(0, 60), st.floats(0.001, 0.999), st.floats(0.01, 40))
def test_tail_probability_between_two_counts_is_that_of_the_lower(count: int, more: float, mean: float) -> None:
    assert tail_probability(count + more, mean, 2 * mean) == tail_probability(count, mean, 2 * mean)
    assert tail_probability(sum([0.1] * 10 * count), mean, mean) == tail_probability(count, mean, mean)


def test_tail_probability_without_any_expectation() -> None:
    assert tail_probability(0, 0.0, 0.0) == 1.0
    assert tail_probability(1, 0.0, 0.0) == 0.0


def test_sixty_calm_days_of_six_topics_raise_nearly_no_alert() -> None:
    alerts = [len(found(calm(60, seed))) for seed in range(5)]
    assert sum(alerts) <= 1


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_burst_is_found_within_two_hours(scale: float) -> None:
    at = START + timedelta(days=28, hours=9)
    spikes = found(calm(30, 1, scale) + burst(at, 24, 4))
    assert [spike.topic for spike in spikes] == ["cyber"]
    assert at < spikes[0].detected_at <= at + timedelta(hours=2)
    assert spikes[0].negatives >= RULE.min_negatives
    assert spikes[0].expected < spikes[0].negatives / RULE.min_ratio
    assert len(spikes[0].article_ids) == spikes[0].negatives


def test_burst_among_neutral_coverage_of_the_same_story_is_found() -> None:
    at = START + timedelta(days=28, hours=9)
    story = burst(at, 12, 6) + burst(at, 8, 6, negative=False)
    assert [spike.topic for spike in found(calm(30, 2) + story)] == ["cyber"]


def test_burst_on_a_topic_seen_for_the_first_time_is_found() -> None:
    mentions = [m for m in calm(30, 3) if m.topic != "cyber"]
    spikes = found(mentions + burst(START + timedelta(days=29), 8, 2))
    assert [spike.topic for spike in spikes] == ["cyber"]


def unsure(mentions: list[Mention], probability: float) -> list[Mention]:
    return [replace(mention, probability=probability) for mention in mentions]


def test_unsure_articles_weigh_their_probability() -> None:
    at = START + timedelta(days=28, hours=9)
    sure = found(calm(30, 1) + burst(at, 12, 2))
    doubted = found(calm(30, 1) + unsure(burst(at, 20, 2), 0.5))
    assert doubted[0].negatives > sure[0].negatives, "it takes more of them"
    assert doubted[0].negatives == len(doubted[0].article_ids)
    few = burst(at, 8, 2)
    assert found(calm(30, 1) + few) != []
    assert found(calm(30, 1) + unsure(few, 0.4)) == []
    assert found(calm(30, 1) + unsure(few, 0.6)) == found(calm(30, 1) + few)
    assert found(calm(30, 1) + unsure(few, 0.4), rule=replace(RULE, unsure_below=0.3)) != []


def test_weights_that_add_up_to_the_least_count_suffice() -> None:
    """Ten times 0.1 is a little less than 1 in binary."""
    rule = replace(RULE, min_negatives=1, max_p_value=0.9, min_ratio=0.0, unsure_below=0.2)
    tenths = unsure(burst(START + timedelta(days=29), 10, 0.5, "esg"), 0.1)
    assert [s.negatives for s in found(calm(30, 1) + tenths, rule=rule) if s.topic == "esg"] == [10]


def test_burst_on_a_second_topic_is_found_and_does_not_hide_the_first() -> None:
    """An article of two topics is news of both; on neither does it count as news from elsewhere."""
    at = START + timedelta(days=28, hours=9)
    one = burst(at, 12, 3)
    both = [replace(mention, also=("misconduct",)) for mention in one]
    assert {spike.topic for spike in found(calm(30, 2) + both)} == {"cyber", "misconduct"}
    [alone] = found(calm(30, 2) + one)
    beside = next(spike for spike in found(calm(30, 2) + both) if spike.topic == "cyber")
    assert beside == alone


def test_burst_of_good_news_is_no_spike() -> None:
    assert found(calm(30, 4) + burst(START + timedelta(days=28), 40, 6, negative=False)) == []


def test_more_of_everything_is_no_spike() -> None:
    busy = START + timedelta(days=28)
    alerts = 0
    for seed in range(5, 9):
        before = [m for m in calm(30, seed) if m.published_at < busy]
        alerts += len(found(before + [m for m in calm(30, seed + 50, scale=8) if m.published_at >= busy]))
    assert alerts <= 1


def test_season_of_mixed_news_on_one_topic_is_no_spike() -> None:
    season = [
        Mention(START + timedelta(days=28, minutes=10 * i), "earnings", i % 10 < 3, 100_000 + i) for i in range(140)
    ]
    assert found(calm(30, 7) + season) == []


def test_new_source_that_multiplies_the_news_is_no_spike() -> None:
    joined = START + timedelta(days=20)
    mentions = calm(30, 8) + [m for m in calm(30, 9, scale=6) if m.published_at >= joined]
    assert len(found(mentions)) <= 1


def test_start_without_history_raises_nothing() -> None:
    at = START + timedelta(hours=RULE.min_history_hours - 5)
    mentions = [m for m in calm(4, 10) if m.published_at < at]
    assert found(mentions + burst(at, 30, 3)) == []
    assert found(burst(START, 30, 3)) == []


def test_one_old_article_is_no_history() -> None:
    stray = [Mention(START, "cyber", False, 1)]
    assert found(stray + burst(START + timedelta(days=40), 30, 3)) == []


def test_outage_of_the_fetcher_teaches_nothing() -> None:
    """Ten days without a single article are a hole, not calm: what comes after them is judged as before."""
    hole = (START + timedelta(days=15), START + timedelta(days=25))
    mentions = [m for m in calm(40, 11, scale=3) if not hole[0] <= m.published_at < hole[1]]
    assert found(mentions) == []
    assert [s.topic for s in found(mentions + burst(START + timedelta(days=30, hours=9), 30, 4))] == ["cyber"]


@pytest.mark.parametrize("seed", range(3))
def test_findings_do_not_depend_on_what_comes_later(seed: int) -> None:
    at = START + timedelta(days=12, hours=9)
    mentions = calm(20, seed) + burst(at, 20, 5) + burst(at + timedelta(days=3), 15, 5, "labour")
    everything = found(mentions)
    assert len(everything) >= 2
    rng = random.Random(seed)
    cuts = [START + timedelta(minutes=rng.randrange(20 * 24 * 60)) for _ in range(15)]
    for cut in [*cuts, everything[0].detected_at, everything[0].detected_at - timedelta(microseconds=1)]:
        known = [spike for spike in everything if spike.detected_at <= cut]
        assert found([m for m in mentions if m.published_at <= cut]) == known
        assert found(mentions, until=cut) == known


def test_order_of_the_input_does_not_matter() -> None:
    mentions = calm(15, 12) + burst(START + timedelta(days=12), 20, 5)
    shuffled = random.Random(1).sample(mentions, len(mentions))
    assert found(shuffled) == found(mentions) != []


def test_cooldown_lets_one_spike_through_and_the_next_after_it() -> None:
    at = START + timedelta(days=20, hours=9)
    two = calm(30, 13) + burst(at, 12, 2) + burst(at + timedelta(hours=14), 12, 2)
    assert len(found(two)) == 1
    assert len(found(calm(30, 13) + burst(at, 12, 2) + burst(at + timedelta(days=4), 30, 2))) == 2
    without = found(two, rule=replace(RULE, cooldown_hours=0))
    assert len(without) > 1
    assert without[0] == found(two)[0]


@pytest.mark.parametrize(
    ("p_value", "negatives", "severity"),
    [(1e-5, 50, "low"), (1e-6, 5, "medium"), (1e-12, 9, "medium"), (1e-10, 10, "high"), (0.0, 10, "high")],
)
def test_severity_takes_surprise_and_volume(p_value: float, negatives: int, severity: str) -> None:
    assert Spike("cyber", START, START, 3, negatives, 0.5, p_value).severity == severity


def test_no_mentions_no_spikes() -> None:
    assert found([]) == []
    assert found(calm(5, 15), until=START - timedelta(days=1)) == []


def wave(length: int, seed: int) -> Iterator[float]:
    rng = random.Random(seed)
    return (50 + 10 * math.sin(i / 40) + rng.gauss(0, 2) for i in range(length))


def test_score_of_an_anomaly_stands_out() -> None:
    values = list(wave(2000, 1))
    for i in range(1500, 1506):
        values[i] += 60
    scores = list(score_series(values))
    assert len(scores) == len(values)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert max(scores[1500:1510]) > 0.9
    assert sum(score > 0.5 for score in scores[400:1500]) <= 5


def test_score_is_causal() -> None:
    values = list(wave(600, 2))
    assert list(score_series(values))[:400] == list(score_series(values[:400]))
    assert list(score_series([])) == []


def test_score_of_a_flat_line_is_zero_until_it_moves() -> None:
    scores = list(score_series([5.0] * 200 + [6.0] * 3))
    assert max(scores[:200]) < 0.05
    assert max(scores[200:]) > 0.9
