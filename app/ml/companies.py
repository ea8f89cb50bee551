"""Training knowledge of invented companies: what teaches retrieval, judgement and answers beyond one company."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.conversations import Message, Passage, Role
from app.domain.errors import InvalidInput
from app.ml.datasets import read_rows


@dataclass(frozen=True)
class Detail:
    """A question about one detail of an entry, and the reply that says no more."""

    question: str
    reply: str


@dataclass(frozen=True)
class CompanyEntry:
    """A curated entry in one language. `near_misses` are questions on its subject that no entry answers."""

    company: str
    entry: str
    language: str
    question: str
    answer: str
    phrasings: tuple[str, ...]
    details: tuple[Detail, ...]
    near_misses: tuple[str, ...]
    turns: tuple[Message, ...] = ()  # of a conversation whose last question is about this entry
    follow_up_reply: str = ""

    @property
    def passage(self) -> Passage:
        return Passage(
            source=f"{self.company}/{self.entry}/{self.language}", text=self.answer, question=self.question,
            language=self.language,
        )  # fmt: skip


def load_companies(paths: Sequence[Path]) -> list[CompanyEntry]:
    """Entries of JSON Lines files (see data/README.md). Raises InvalidInput naming file and line."""
    entries = []
    for path in paths:
        for number, row in read_rows(path):
            try:
                follow_up = row.get("follow_up") or {}
                roles = [Role.CUSTOMER, Role.ASSISTANT]
                turns = tuple(Message(roles[i % 2], turn) for i, turn in enumerate(follow_up.get("turns", ())))
                entries.append(
                    CompanyEntry(
                        row["company"], row["entry"], row["language"], row["question"], row["answer"],
                        tuple(row["phrasings"]), tuple(Detail(d["question"], d["reply"]) for d in row["details"]),
                        tuple(row["near_misses"]), turns, follow_up.get("reply", ""),
                    )
                )  # fmt: skip
            except (KeyError, TypeError) as error:
                raise InvalidInput(
                    f"{path}, line {number}: not an entry of a training company ({error})."
                ) from error
    return entries
