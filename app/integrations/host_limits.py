"""Politeness towards a host: few requests at once, and a pause between the beginnings of two."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.domain.errors import SourceBusy

_KEPT = 5000  # hosts that are remembered


class HostLimits:
    """Turns for requests, by host; safe to share between threads.

    `delay_seconds` lie between two requests, or what the host's robots.txt asks for (Crawl-delay) where that
    is more. Nobody waits longer than `patience_seconds`: who would is told to come again.
    """

    def __init__(
        self,
        delay_seconds: float = 0.0,
        at_once: int = 2,
        patience_seconds: float = 30.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._delay, self._at_once, self._patience = delay_seconds, at_once, patience_seconds
        self._now, self._sleep = now, sleep
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, host: str, crawl_delay: float = 0.0) -> Iterator[None]:
        """Wait for a turn and hold it. Raises SourceBusy when it would come too late."""
        with self._lock:
            place = self._hosts.get(host) or self._add(host)
            place.users += 1
        try:
            if not place.slots.acquire(timeout=self._patience):
                raise SourceBusy(f"{host} is slow: {self._at_once} requests to it are under way already.")
            try:
                wait = self._reserve(place, host, max(self._delay, crawl_delay))
                if wait > 0:
                    self._sleep(wait)
                yield
            finally:
                place.slots.release()
        finally:
            with self._lock:
                place.users -= 1

    def _reserve(self, place: "_Host", host: str, delay: float) -> float:
        """Seconds until the turn that is now taken."""
        with self._lock:
            now = self._now()
            wait = max(0.0, place.free_at - now)
            if wait > self._patience:
                raise SourceBusy(f"{host} wants {delay:.0f} s between two requests; the rest follows later.", wait)
            place.free_at = now + wait + delay
            return wait

    def _add(self, host: str) -> "_Host":
        if len(self._hosts) >= _KEPT:
            now = self._now()
            self._hosts = {name: old for name, old in self._hosts.items() if old.users or old.free_at > now}
        place = self._hosts[host] = _Host(self._at_once)
        return place


class _Host:
    def __init__(self, at_once: int) -> None:
        self.slots = threading.BoundedSemaphore(at_once)
        self.free_at = float("-inf")
        self.users = 0
