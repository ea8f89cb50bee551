"""Every prompt of the product. Training and serving render them here, so that they cannot drift apart."""

from collections.abc import Sequence

from app.domain.conversations import Message, Passage, Role

# Both labels are read off the last position: after the colon the model weighs the tokens of the three
# sentiments and, in the same forward pass, those of the topics.
SENTIMENT_SUFFIX = "\nSentiment:"


def sentiment_text(text: str, style: str = "") -> str:
    """Text of an article or post as the classifier sees it, white space folded, without the suffix.

    A known style goes before it as a tag, since kinds of text differ in convention.
    """
    folded = " ".join(text.split())
    return f"{style.capitalize()}: {folded}" if style else folded


def sentiment_suffix(entity: str = "") -> str:
    """What is asked: the sentiment of the text, or that towards one company."""
    return f"\nSentiment towards {' '.join(entity.split())}:" if entity else SENTIMENT_SUFFIX


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
