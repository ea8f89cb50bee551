"""Turns for requests to one host, on a clock that is moved by hand."""

import threading

import pytest

from app.domain.errors import SourceBusy
from app.integrations.host_limits import HostLimits


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, **options: float) -> HostLimits:
    return HostLimits(now=lambda: clock.now, sleep=clock.sleep, **options)  # type: ignore[arg-type]


def test_turn_keeps_requests_to_one_host_apart(clock: Clock) -> None:
    polite = limits(clock, delay_seconds=2)
    for host in ("a.example", "a.example", "b.example", "a.example"):
        with polite.turn(host):
            pass
    assert clock.slept == [2, 2]
    clock.now += 60
    with polite.turn("a.example"):
        pass
    assert clock.slept == [2, 2]


def test_turn_honours_a_longer_crawl_delay(clock: Clock) -> None:
    polite = limits(clock, delay_seconds=1)
    for _ in range(2):
        with polite.turn("a.example", crawl_delay=10):
            pass
    assert clock.slept == [10]


def test_turn_that_would_come_too_late_is_refused(clock: Clock) -> None:
    polite = limits(clock, patience_seconds=30)
    with polite.turn("a.example", crawl_delay=300):
        pass
    with pytest.raises(SourceBusy, match="wants 300 s") as refusal, polite.turn("a.example", crawl_delay=300):
        pass
    assert refusal.value.seconds == 300
    assert clock.slept == []


def test_turn_lets_few_in_at_once(clock: Clock) -> None:
    polite = HostLimits(at_once=1, patience_seconds=0.05)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with polite.turn("a.example"):
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(5)
    with pytest.raises(SourceBusy, match="under way"), polite.turn("a.example"):
        pass
    with polite.turn("b.example"):
        pass
    leave.set()
    thread.join()
    with polite.turn("a.example"):
        pass


def test_turn_is_given_back_after_a_failure(clock: Clock) -> None:
    polite = limits(clock, at_once=1, patience_seconds=0.05)
    for _ in range(3):
        with pytest.raises(KeyError), polite.turn("a.example"):
            raise KeyError
