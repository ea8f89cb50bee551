"""Answers as streams: a place in line first, then the chat's events, the work in threads of its own."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.services.chat import ChatEvent
from app.services.queueing import ChatQueue

SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Waiting:
    """Others are first; `position` 1 is the next in line."""

    position: int


AnswerEvent = Waiting | ChatEvent


class Answering:
    """Lets answers begin in the order of the line that the pages share."""

    def __init__(self, queue: ChatQueue) -> None:
        self._queue = queue
        self._threads = CapacityLimiter(queue.at_once)

    async def events(self, begin: Callable[[], Iterator[ChatEvent]]) -> AsyncGenerator[AnswerEvent, None]:
        """Places in line as they change, then the events. Raises Busy at once when the line is full.

        Close it when the reader has gone: that gives the place to the next one and stops the model's work.
        """
        with self._queue.enter() as ticket:
            shown = 0
            while not ticket.wait(0):
                if (position := ticket.position) != shown and position:
                    shown = position
                    yield Waiting(position)
                await anyio.sleep(SECONDS_BETWEEN_LOOKS)
            events = begin()
            try:
                while (event := await self._in_thread(lambda: next(events, None))) is not None:
                    yield event
            finally:
                with anyio.CancelScope(shield=True):
                    await self._in_thread(getattr(events, "close", lambda: None))

    async def _in_thread(self, step: Callable[[], Any]) -> Any:
        return await to_thread.run_sync(step, limiter=self._threads)


async def begun(events: AsyncGenerator[AnswerEvent, None]) -> AsyncGenerator[AnswerEvent, None]:
    """The same events, the first already there: what is wrong with a question is known before any answer."""
    try:
        first = await anext(events)
    except BaseException:
        await events.aclose()
        raise

    async def rest() -> AsyncGenerator[AnswerEvent, None]:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return rest()


class EventStream(StreamingResponse):
    """Server-sent events; whatever happens to the connection, the events are closed at its end."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._events.aclose()


def event_text(name: str, data: Any) -> str:
    """One server-sent event (WHATWG HTML, section 9.2)."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def last_of(events: AsyncIterator[AnswerEvent]) -> AnswerEvent:
    """The end of the answer."""
    last: AnswerEvent | None = None
    async for event in events:
        last = event
    assert last is not None
    return last
