"""A line of people: so many are served at once, so many may wait, and each can see its place."""

import threading
from collections import deque
from types import TracebackType

from app.domain.errors import Busy

SECONDS_TO_RETRY = 30


class Ticket:
    """A place in the line. Leave it in any case, best by `with`: whoever is next depends on it."""

    def __init__(self, queue: "ChatQueue") -> None:
        self._queue = queue
        self._turn = threading.Event()

    @property
    def position(self) -> int:
        """0 when its turn has come, 1 for the next in line."""
        return self._queue.position_of(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the turn has come, after at most `seconds`; 0 only asks, None waits for as long as it takes."""
        return self._turn.wait(seconds)

    def leave(self) -> None:
        """Give the place up, waiting or served; a second time nothing happens."""
        self._queue.leave(self)

    def call(self) -> None:
        """Its turn has come."""
        self._turn.set()

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class ChatQueue:
    """At most `at_once` tickets have their turn, at most `waiting` stand in line, first come first served."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self.at_once, self._room = at_once, waiting
        self._served: set[Ticket] = set()
        self._line: deque[Ticket] = deque()
        self._lock = threading.Lock()

    def enter(self) -> Ticket:
        """Stand in line. Raises Busy when it is full."""
        ticket = Ticket(self)
        with self._lock:
            if len(self._served) < self.at_once:
                self._serve(ticket)
            elif len(self._line) < self._room:
                self._line.append(ticket)
            else:
                raise Busy(
                    "Very many people are asking at the moment and the line is full. Please try again in a minute.",
                    SECONDS_TO_RETRY,
                )
        return ticket

    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    def served(self) -> int:
        """How many have their turn now."""
        return len(self._served)

    def position_of(self, ticket: Ticket) -> int:
        """0 for one that is served, or has left."""
        with self._lock:
            return self._line.index(ticket) + 1 if ticket in self._line else 0

    def leave(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket in self._line:
                self._line.remove(ticket)
            self._served.discard(ticket)
            while self._line and len(self._served) < self.at_once:
                self._serve(self._line.popleft())

    def _serve(self, ticket: Ticket) -> None:
        self._served.add(ticket)
        ticket.call()
