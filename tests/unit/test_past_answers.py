"""Which passage supports an answer."""

import random

import pytest

from app.domain.conversations import Passage
from app.services.past_answers import PassageFinder, cited

CHAPS = Passage(
    "fees.csv#0", "It costs £22 per payment and arrives the same day.", question="What does CHAPS cost?"
)
BILL = Passage("cards.csv#0", "A payment is due 22 days after the statement.", question="When do I pay my card?")
STOLEN = Passage(
    "cards.csv#1", "Freeze the card in the app, or report it there as stolen.", question="My card was stolen"
)
CHINESE = Passage("zh.csv#0", "每笔 22 英镑，当天到账。", question="CHAPS 汇款收费多少？", language="zh")
KNOWLEDGE = [BILL, CHAPS, STOLEN, CHINESE]


def support(question: str, reply: str, knowledge: list[Passage] = KNOWLEDGE) -> tuple[str, str]:
    """The source of the passage that the mark points at, and the mark."""
    passages, marked = PassageFinder(knowledge, random.Random(3)).support(question, reply)
    if not passages:
        assert marked == reply
        return "", ""
    number = int(marked.removeprefix(reply).strip(" []"))
    assert len(set(passages)) == len(passages)
    return passages[number - 1].source, f"[{number}]"


@pytest.mark.parametrize(
    ("question", "reply", "source"),
    [
        ("How much is a CHAPS payment?", "A CHAPS payment costs £22.", "fees.csv#0"),
        ("CHAPS 汇款多少钱？", "CHAPS 汇款每笔 22 英镑。", "zh.csv#0"),
        ("My card was stolen, what now?", "Freeze the card in the app or report it stolen.", "cards.csv#1"),
        ("How much is a CHAPS payment?", "A CHAPS payment costs £25.", ""),
        ("Do you have a branch in Leeds?", "Yes, next to the station.", ""),
    ],
)
def test_support_needs_every_figure_in_its_kind(question: str, reply: str, source: str) -> None:
    assert support(question, reply)[0] == source


def test_support_tells_pounds_from_days() -> None:
    assert (
        support("When is my card payment due?", "It is due 22 days after the statement.", [BILL])[0] == BILL.source
    )
    assert support("When is my card payment due?", "It is due £22 after the statement.", [BILL]) == ("", "")


def test_support_finds_nothing_in_an_empty_knowledge_base() -> None:
    assert support("How much is a CHAPS payment?", "It costs £22.", []) == ("", "")


def test_cited_keeps_what_the_reply_points_at() -> None:
    passages = [BILL, CHAPS, STOLEN]
    assert cited("It costs £22 [2]. Freeze it [3].", passages) == (
        (CHAPS, STOLEN),
        "It costs £22 [1]. Freeze it [2].",
    )
    assert cited("It costs £22 [7].", passages) == ((), "It costs £22.")
    assert cited("It costs £22.", [CHAPS]) == ((CHAPS,), "It costs £22. [1]")
