"""Stand-ins for the two parts of the chat that need weights; everything around them is real."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.domain.conversations import Message, Passage
from app.domain.errors import ModelError
from app.storage.knowledge_index import Hit

OPEN_ACCOUNT = Passage(
    "en/accounts.csv#0",
    "Open the app and choose **New account**; it takes 10 minutes. <script>document.title = 'broken'</script>",
    question="How do I open an account?",
)
OPEN_ACCOUNT_ZH = Passage("zh/accounts.csv#0", "在手机银行开户，约 10 分钟。", question="怎样开户？", language="zh")
ORDER_CARD = Passage("en/cards.csv#0", "Order a card in the app.", question="How do I order a card?")
CANCEL_CARD = Passage("en/cards.csv#1", "Cancel a card in the app.", question="How do I cancel a card?")
FEES = Passage(
    "fees.md",
    "| Service | Fee |\n|---|---|\n| SWIFT | £18 |\n\n"
    "![logo](https://foreign.example/x.png) [evil](javascript:alert(1))",
    title="Fees <img src=x onerror=alert(1)>",
)

_HITS = {
    "open an account": [(OPEN_ACCOUNT, 0.99)],
    "开户": [(OPEN_ACCOUNT_ZH, 0.99)],
    "order a card": [(ORDER_CARD, 0.99)],
    "card": [(ORDER_CARD, 0.900), (CANCEL_CARD, 0.899)],
    "abroad": [(FEES, 0.9)],
    "story": [(FEES, 0.9)],
    "fail": [(FEES, 0.9)],
}


@dataclass
class ScriptedIndex:
    passages: list[Passage] = field(
        default_factory=lambda: [OPEN_ACCOUNT, OPEN_ACCOUNT_ZH, ORDER_CARD, CANCEL_CARD, FEES]
    )


class ScriptedRetrieval:
    """Finds by the first keyword that the question holds."""

    index = ScriptedIndex()

    def retrieve(self, question: str, history: Sequence[Message] = (), top_k: int = 4) -> list[Hit]:
        found = next((hits for word, hits in _HITS.items() if word in question.lower()), [])
        return [Hit(passage, cosine, 0.0, passage.text) for passage, cosine in found]


class ScriptedResponder:
    """Writes one sentence; a story goes on for long; 'fail' is an error. Counts the stories cut short."""

    def __init__(self) -> None:
        self.cut_short = 0

    def stream(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> Iterator[str]:
        if "fail" in question:
            raise ModelError("The model is busy. Try again in a minute.")
        if "story" not in question:
            yield from ("A SWIFT payment ", "costs £18 [1]", ".")
            return
        try:
            for _ in range(400):
                time.sleep(0.05)
                yield "and on. "
        except GeneratorExit:
            self.cut_short += 1
            raise
