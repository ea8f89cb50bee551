"""A blocking iterator in an asynchronous listener."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


async def in_threads(steps: Generator[T, None, None], limiter: CapacityLimiter) -> AsyncGenerator[T, None]:
    """The items of a generator, each computed in a thread. Close it (contextlib.aclosing) to close the generator.

    A step that is under way when the listener is cancelled is waited for: nobody can close a running generator.
    """
    step: asyncio.Future[T | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(to_thread.run_sync(next, steps, None, limiter=limiter))
            item = await asyncio.shield(step)
            if item is None:
                return
            yield item
    finally:
        if step is not None and not step.done():
            await asyncio.wait([step])
        await to_thread.run_sync(steps.close, limiter=limiter)
