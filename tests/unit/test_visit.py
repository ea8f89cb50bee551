import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from anyio import CapacityLimiter

from app.domain.conversations import Passage, Role, StoredMessage
from app.domain.errors import AppError, Busy, IndexMissing, ModelError, TooManyRequests
from app.ui.in_threads import in_threads
from app.ui.texts import error_text
from app.ui.visit import Visit, as_json, as_text

AT = datetime(2025, 11, 24, 9, 5, tzinfo=UTC)
SAID = [
    StoredMessage(1, AT, Role.CUSTOMER, "What does CHAPS cost?"),
    StoredMessage(2, AT, Role.ASSISTANT, "£22 [1]", "generated", (Passage("fees.md", "CHAPS: £22", "Fees"),)),
    StoredMessage(3, AT, Role.ASSISTANT, "And free for students.", author="olga"),
]


def test_take_up_shows_a_persons_reply_as_a_turn_of_its_own() -> None:
    visit = Visit()
    visit.take_up(SAID)
    assert [(turn.question, turn.by_person) for turn in visit.turns] == [
        ("What does CHAPS cost?", False),
        ("", True),
    ]
    assert (visit.awaits_person, visit.seen) == (True, 3)


def test_hear_adds_only_what_a_person_said() -> None:
    visit = Visit()
    assert not visit.hear(SAID[:2])
    assert visit.hear(SAID[2:])
    assert [turn.text for turn in visit.turns] == ["And free for students."]
    assert visit.seen == 3


def test_forget_keeps_the_language_alone() -> None:
    visit = Visit("zh", "c1", awaits_person=True, seen=3)
    visit.take_up(SAID)
    visit.forget()
    assert visit == Visit("zh")


@pytest.mark.parametrize("saved", [None, "text", {"conversation": None, "language": "fr"}])
def test_remember_ignores_what_is_not_ours(saved: object) -> None:
    visit = Visit()
    visit.remember(saved)
    assert visit == Visit()


def test_remember_takes_up_what_was_remembered() -> None:
    visit, again = Visit("zh", "c1", awaits_person=True), Visit()
    again.remember(visit.remembered())
    assert again == visit


def test_as_text_says_who_said_what() -> None:
    assert as_text(SAID, "en") == (
        "You, 2025-11-24 09:05 UTC\nWhat does CHAPS cost?\n\n"
        "Assistant, 2025-11-24 09:05 UTC\n£22 [1]\n[1] Fees\n\n"
        "Our colleague, 2025-11-24 09:05 UTC\nAnd free for students.\n"
    )


def test_as_json_names_no_agent() -> None:
    rows = json.loads(as_json(SAID))
    assert [row["from"] for row in rows] == ["customer", "assistant", "agent"]
    assert rows[1]["sources"] == [{"title": "Fees", "text": "CHAPS: £22"}]
    assert "olga" not in as_json(SAID)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TooManyRequests("Wait.", 7), "您的提问过于频繁，请等待 7 秒后再试。"),
        (Busy("Full.", 30), "目前咨询的人很多，排队人数已满。请约 30 秒后再试。"),
        (ModelError("No."), "助手暂时无法回答。请稍后再试，或联系人工客服。"),
        (IndexMissing("No."), "未能完成此操作。请稍后再试，或联系人工客服。"),
    ],
)
def test_error_text_speaks_chinese_by_class(error: AppError, sentence: str) -> None:
    assert error_text(error, "zh") == sentence
    assert error_text(error, "en") == str(error)


def test_in_threads_closes_the_generator_after_the_step_that_is_under_way() -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def steps() -> Generator[int, None, None]:
        try:
            yield 1
            begun.set()
            go_on.wait()
            yield 2
        finally:
            closed.set()

    async def listen() -> None:
        async with aclosing(in_threads(steps(), CapacityLimiter(1))) as items:
            async for _item in items:
                pass

    async def cancel() -> None:
        task = asyncio.create_task(listen())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        assert not closed.is_set()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed.is_set()

    asyncio.run(cancel())


def test_in_threads_raises_what_a_step_raises() -> None:
    def steps() -> Generator[int, None, None]:
        yield 1
        raise ModelError("No.")

    async def listen() -> list[int]:
        return [item async for item in in_threads(steps(), CapacityLimiter(1))]

    with pytest.raises(ModelError):
        asyncio.run(listen())
