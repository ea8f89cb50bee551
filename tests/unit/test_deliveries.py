"""When a message is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

from app.domain.deliveries import next_attempt

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)


def test_waits_grow_from_a_minute_to_an_hour_and_end_after_a_day() -> None:
    waits, failures = [], 1
    while (again := next_attempt(failures, NOW, 0.5)) is not None:
        waits.append((again - NOW) / timedelta(minutes=1))
        failures += 1
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert max(waits) == 60
    assert 23 * 60 < sum(waits) <= 24 * 60


def test_chance_spreads_a_wait_by_a_quarter_to_either_side() -> None:
    spread = [(next_attempt(7, NOW, chance) or NOW) - NOW for chance in (0.0, 0.5, 1.0)]
    assert spread == [timedelta(minutes=45), timedelta(minutes=60), timedelta(minutes=75)]
