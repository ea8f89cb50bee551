"""Every prompt of the product. Training and serving render them here, so that they cannot drift apart."""

import re
from collections.abc import Sequence

from app.domain.conversations import Message, Passage, Role

_LINK = re.compile(r"(?:https?://|www\.)[^\s\u3000-\u9fff\uff00-\uffef]+")
_INVISIBLE = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF])
_FULL_WIDTH = {
    code: chr(code - 0xFEE0)
    for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), 0xFF04, 0xFF05, 0xFF0B)
}

# Both labels are read off the last position: after the colon the model weighs the tokens of the three
# sentiments and, in the same forward pass, those of the topics.
SENTIMENT_SUFFIX = "\nSentiment:"


def sentiment_text(text: str, style: str = "") -> str:
    """Text of an article or post as the classifier sees it, without the suffix.

    Links and invisible characters go, full-width letters and digits become ordinary ones, white space is folded.
    A known style goes before it as a tag, since kinds of text differ in convention.
    """
    folded = _folded(_LINK.sub(" ", text))
    return f"{style.capitalize()}: {folded}" if style else folded


def sentiment_suffix(entity: str = "") -> str:
    """What is asked: the sentiment of the text, or that towards one company."""
    return f"\nSentiment towards {_folded(entity)}:" if entity else SENTIMENT_SUFFIX


def _folded(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no character
    return " ".join(whole.translate(_INVISIBLE).translate(_FULL_WIDTH).split())


JUDGE_SUFFIX = "\nDoes the passage answer the customer?"


def judge_text(question: str, passage: Passage, history: Sequence[Message] = ()) -> tuple[str, str]:
    """The passage, and what follows it: the customer's question behind the one before, if there was one."""
    asked = [" ".join(m.content.split())[:200] for m in history if m.role == Role.CUSTOMER][-1:]
    lines = [f"\nCustomer: {text}" for text in (*asked, " ".join(question.split()))]
    return f"Passage: {passage_text(passage)}", "".join(lines)


NEED_SUFFIX = "\nThe customer needs:"


def need_text(question: str, history: Sequence[Message] = ()) -> str:
    """What the customer wrote, behind the two turns before it."""
    turns = [(m.role, " ".join(m.content.split())[:200]) for m in list(history)[-2:]]
    turns.append((Role.CUSTOMER, " ".join(question.split())))
    names = {Role.CUSTOMER: "Customer", Role.ASSISTANT: "Assistant"}
    return "\n".join(f"{names[role]}: {text}" for role, text in turns)


def answer_prompt(question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> str:
    """Numbered passages, then the last turns, then the question; the reply follows."""
    lines = ["Answer the customer from the sources, in the customer's language, and cite them like [1].", ""]
    for number, passage in enumerate(passages, 1):
        lines.append(f"[{number}] {passage_text(passage)}")
    lines.append("")
    for message in list(history)[-4:]:
        speaker = "Customer" if message.role == Role.CUSTOMER else "Assistant"
        lines.append(f"{speaker}: {' '.join(message.content.split())[:300]}")
    lines += [f"Customer: {' '.join(question.split())}", "Assistant:"]
    return "\n".join(lines)


def passage_text(passage: Passage) -> str:
    """What the generator sees of a passage: its heading or question, and its text, on one line."""
    head = passage.question or passage.title
    body = " ".join(passage.text.split())
    return f"{head} — {body}" if head else body
