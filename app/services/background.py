"""Work that takes longer than a visitor's click may wait: one thread for each kind, its progress for all to see."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.domain.errors import AppError, Conflict

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Task:
    """A piece of work at present. `done` in [0, 1]; `message` is what it ended with, `error` why it failed."""

    name: str
    running: bool = True
    step: str = ""
    done: float = 0.0
    message: str = ""
    error: str = ""


class Background:
    """Runs work beside the pages. It belongs to the process: every administrator sees the same."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[Progress], str]) -> None:
        """Begin `work`, which returns what it ended with. Raises Conflict while one of this name is under way."""
        with self._lock:
            if (task := self._tasks.get(name)) and task.running:
                raise Conflict("This is under way already. Wait for its end.")
            self._tasks[name] = Task(name)
            self._threads[name] = threading.Thread(target=self._run, args=[name, work], name=name, daemon=True)
            self._threads[name].start()

    def task(self, name: str) -> Task | None:
        """The work of this name, or None when none was begun since the start of the program."""
        return self._tasks.get(name)

    def wait(self, name: str) -> None:
        """Return when the work of this name has ended."""
        if thread := self._threads.get(name):
            thread.join()

    def _run(self, name: str, work: Callable[[Progress], str]) -> None:
        try:
            ended = Task(name, False, done=1.0, message=work(lambda step, done: self._step(name, step, done)))
        except AppError as error:
            ended = Task(name, False, error=str(error))
        except Exception:
            log.exception("%s failed", name)
            ended = Task(name, False, error="It failed; the server's log has the details. Try again.")
        self._tasks[name] = ended

    def _step(self, name: str, step: str, done: float) -> None:
        self._tasks[name] = replace(self._tasks[name], step=step, done=min(1.0, max(0.0, done)))
