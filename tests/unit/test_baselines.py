"""What a series usually holds: the rhythm of the week, the level, the spread."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.baselines import BLOCKS, DAY, WEEK, Baseline, Calendar, Rhythm, hour_of_week, learn_rhythm, weekday

MONDAY = 4  # 1970-01-05
HALF_LIFE = 168.0
FLAT = Rhythm([1.0] * WEEK, 7.0)


def learned(counts: list[float], alarmed: frozenset[int] = frozenset()) -> tuple[Calendar, Baseline]:
    """A calendar and a baseline that saw so many negatives at noon of each day from a Monday on."""
    calendar = Calendar(MONDAY, HALF_LIFE)
    baseline = Baseline(calendar)
    for number, count in enumerate(counts):
        calendar.close_day(MONDAY + number, DAY, [0.0] * WEEK)
        baseline.learn(calendar, MONDAY + number, [(12, count, 0.0)] if count else [], number in alarmed)
    return calendar, baseline


def test_week_begins_on_monday() -> None:
    assert weekday(MONDAY) == 0
    assert hour_of_week(MONDAY * DAY) == 0
    assert hour_of_week((MONDAY + 7) * DAY - 1) == WEEK - 1


@given(
    st.lists(st.floats(0.0, 50.0), min_size=WEEK, max_size=WEEK).filter(any),
    st.integers(0, 400),
    st.integers(1, 200),
)
@settings(max_examples=30, deadline=None)
def test_windows_of_a_rhythm_are_the_sums_of_its_hours(hours: list[float], hour: int, length: int) -> None:
    rhythm = Rhythm(hours, 7.0)
    assert math.fsum(rhythm.hours) == pytest.approx(WEEK)
    expected = math.fsum(rhythm.hours[hour_of_week(hour - back)] for back in range(length))
    assert rhythm.window(hour, length) == pytest.approx(expected)
    day = hour // DAY
    ends = [rhythm.window(day * DAY + h, length) for h in range(DAY)]
    assert rhythm.least(day, [length]) == pytest.approx([min(ends)])


def test_squares_are_those_of_the_blocks_of_the_day() -> None:
    rhythm = Rhythm([1.0 + i % 24 + i // 24 for i in range(WEEK)], 7.0)
    for number, length in enumerate(BLOCKS):
        blocks = [sum(rhythm.hours[48 + i : 48 + i + length]) for i in range(0, DAY, length)]
        assert rhythm.squares(2)[number] == pytest.approx(sum(b * b for b in blocks))


def test_few_articles_leave_the_prior_rhythm_and_many_replace_it() -> None:
    nine_to_five = [float(9 <= i % DAY < 17) for i in range(WEEK)]
    few = learn_rhythm([n * 0.1 for n in nine_to_five], [1.0] * 7, FLAT, 7.0)
    many = learn_rhythm([n * 1000 for n in nine_to_five], [20.0] * 7, FLAT, 7.0)
    assert max(few.hours) < 1.6
    assert many.hours[12] > 1.6
    assert many.hours[12] > 2 * many.hours[2]


def test_rhythm_knows_the_weekend_however_few_weekends_it_saw() -> None:
    counts = [0.0 if i >= 5 * DAY else 40.0 for i in range(WEEK)]
    unseen = learn_rhythm(counts, [2.0] * 5 + [0.0, 0.0], FLAT, 7.0)
    seen = learn_rhythm(counts, [2.0] * 7, FLAT, 7.0)
    assert unseen.hours[5 * DAY + 12] == pytest.approx(unseen.hours[12], rel=0.1)
    assert seen.hours[5 * DAY + 12] < 0.8 * seen.hours[12]


def test_rate_is_that_of_the_past_and_fades() -> None:
    calendar, baseline = learned([6.0] * 28)
    rate, _, events = baseline.rates(calendar, MONDAY + 27)
    assert rate * DAY == pytest.approx(6.0, rel=0.05)
    assert events > 50
    calendar, baseline = learned([6.0] * 28 + [0.0] * 21)
    assert baseline.rates(calendar, MONDAY + 48)[0] * DAY == pytest.approx(6.0 / 8, rel=0.15)


def test_rate_at_an_earlier_day_does_not_know_the_later_ones() -> None:
    calendar, before = learned([2.0] * 20)
    later, after = learned([2.0] * 20 + [9.0] * 3)
    assert after.rates(later, MONDAY + 19)[2] == before.rates(calendar, MONDAY + 19)[2]
    assert after.rates(later, MONDAY + 19)[0] == pytest.approx(before.rates(calendar, MONDAY + 19)[0], rel=0.05)


def test_outlier_is_learned_in_part_and_a_lasting_change_within_days() -> None:
    calendar, baseline = learned([2.0] * 20 + [200.0])
    assert baseline.rates(calendar, MONDAY + 20)[0] * DAY < 4
    calendar, baseline = learned([2.0] * 20 + [20.0] * 21)
    assert baseline.rates(calendar, MONDAY + 40)[0] * DAY == pytest.approx(18, abs=4)


def test_alarm_teaches_less_than_an_ordinary_day() -> None:
    counts = [2.0] * 12 + [9.0, 0.0] * 6
    plain_calendar, plain = learned(counts)
    calendar, alarmed = learned(counts, frozenset(range(12, 24, 2)))
    _, calm = learned([2.0] * 24)
    last = MONDAY + 23
    rates = [alarmed.rates(calendar, last)[0], plain.rates(plain_calendar, last)[0]]
    assert rates[0] < rates[1]
    assert rates[0] < 1.5 * calm.rates(calendar, last)[0]
    assert alarmed.dispersion(DAY) < plain.dispersion(DAY)


def test_spread_grows_with_that_of_the_counts() -> None:
    rng = random.Random(1)
    steady = learned([10.0] * 40)[1]
    wild = learned([rng.choice([0.0, 20.0]) for _ in range(40)])[1]
    assert steady.dispersion(DAY) < 2 < 4 < wild.dispersion(DAY)
    assert wild.dispersion(3 * DAY) > wild.dispersion(DAY)


def test_days_of_silence_are_not_learned() -> None:
    calendar, baseline = learned([6.0] * 20)
    level = baseline.rates(calendar, MONDAY + 19)[0]
    calendar.close_day(MONDAY + 30, DAY, [0.0] * WEEK)
    for day in range(MONDAY + 20, MONDAY + 30):
        assert not calendar.was_watched(day)
        baseline.learn(calendar, day, [], alarmed=False)
    assert baseline.rates(calendar, MONDAY + 29)[0] == pytest.approx(level, rel=0.1)


def test_late_article_moves_the_level_of_the_days_that_follow() -> None:
    calendar, baseline = learned([1.0] * 20)
    before = baseline.rates(calendar, MONDAY + 19)
    for day in range(12, 19):
        baseline.learn_late(calendar, (MONDAY + day) * DAY, 1.0, 0.0)
    assert baseline.rates(calendar, MONDAY + 19) == before
    calendar.close_day(MONDAY + 20, DAY, [0.0] * WEEK)
    baseline.learn(calendar, MONDAY + 20, [], alarmed=False)
    assert baseline.rates(calendar, MONDAY + 20)[0] > before[0]
