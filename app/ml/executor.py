"""One thread for all model work, with priorities.

Model steps that overlap on few cores ruin each other, so every step (a token, a batch) is submitted here and
they run one at a time: a customer's next token before a scheduled batch, first come first served within a
priority. Callers keep their steps short, which is what lets others in between.
"""

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from typing import Any, TypeVar

from app.domain.errors import ModelError

T = TypeVar("T")
PAUSE_SECONDS = 0.02  # many times what a caller needs between two steps


class Priority(IntEnum):
    """Who waits for the result; smaller is more urgent."""

    CUSTOMER = 0
    ANALYST = 1
    SCHEDULED = 2


# How long after its submission a step may be kept waiting by more urgent ones.
ALLOWANCE_SECONDS = {Priority.CUSTOMER: 0.0, Priority.ANALYST: 0.5, Priority.SCHEDULED: 2.0}


class ModelExecutor:
    """Runs submitted steps one at a time, the earliest deadline first, so that nobody waits for ever."""

    def __init__(self) -> None:
        self._queue: queue.PriorityQueue[tuple[float, int, int, Any]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._closed = False
        self._entrance = threading.Lock()  # nothing is put in line behind the order to stop
        self._last_priority, self._last_ended = int(max(Priority)), 0.0  # of the step that ran last
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def run(self, step: Callable[[], T], priority: Priority) -> T:
        """Run `step` on the model thread and return its result, or raise its error. ModelError once closed."""
        if threading.current_thread() is self._thread:
            return step()
        return self.submit(step, priority).result()

    def submit(self, step: Callable[[], T], priority: Priority) -> "Future[T]":
        """Put `step` in line and go on; the future brings its result or error. ModelError once closed."""
        future: Future[T] = Future()
        with self._entrance:
            if self._closed:
                raise ModelError("The model is shut down; start the application again.")
            deadline = time.monotonic() + ALLOWANCE_SECONDS[priority]
            self._queue.put((deadline, next(self._order), priority, (step, future)))
        return future

    def waiting(self) -> int:
        """Number of steps that wait now."""
        return self._queue.qsize()

    def alive(self) -> bool:
        """Whether steps are still run."""
        return self._thread.is_alive() and not self._closed

    def close(self) -> None:
        """Finish what was submitted, then stop the thread."""
        with self._entrance:
            self._closed = True
            self._queue.put((math.inf, next(self._order), int(min(Priority)), None))
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while (item := self._next()) is not None:
            step, future = item
            try:
                future.set_result(step())
            except BaseException as error:
                future.set_exception(error)
            self._last_ended = time.monotonic()

    def _next(self) -> Any:
        """The next step. Behind a more urgent one, others wait a moment: its caller may bring another.

        A reply is written step by step; without the pause a scheduled batch would slip in between every two
        tokens, and each token would take as long as a batch.
        """
        while True:
            deadline, order, priority, work = self._queue.get()
            now = time.monotonic()
            if priority <= self._last_priority or now >= min(deadline, self._last_ended + PAUSE_SECONDS):
                self._last_priority = priority
                return work
            self._queue.put((deadline, order, priority, work))
            time.sleep(PAUSE_SECONDS / 10)
