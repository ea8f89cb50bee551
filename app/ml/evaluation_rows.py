"""Questions of a frozen evaluation set, and what a right reply to each must and must not do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.conversations import Message, Outcome, Role
from app.domain.errors import InvalidInput
from app.domain.guardrails import language_of
from app.ml.datasets import read_rows

ANSWERED = frozenset({Outcome.TEMPLATE, Outcome.GENERATED})
ABSTAINED = frozenset({Outcome.CLARIFY, Outcome.HANDOFF})
_LISTS = "must_include and must_not_include are lists of texts"


@dataclass(frozen=True)
class Expected:
    """A question with what is right.

    `must_include` holds groups: one text of each must stand in an answer. `outcomes` is empty where no outcome is
    wrong, as for an attack that is only to be refused. `passage` is put among the knowledge for this question.
    """

    question: str
    language: str
    history: tuple[Message, ...] = ()
    answerable: bool | None = None
    outcomes: frozenset[Outcome] = frozenset()
    source: str = ""
    reference: str = ""
    must_include: tuple[tuple[str, ...], ...] = ()
    must_not_include: tuple[str, ...] = ()
    kind: str = ""
    passage: str = ""
    note: str = ""

    @property
    def must_abstain(self) -> bool:
        """Whether any answer at all is wrong."""
        return self.answerable is False and not self.outcomes & ANSWERED


def load_questions(path: Path) -> list[Expected]:
    """Rows with question and answerable (attacks: must_not_include). Raises InvalidInput naming file and line."""
    questions = []
    for number, row in read_rows(path):
        try:
            questions.append(_expected(row))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"{path}, line {number}: not a question to evaluate with ({error}).") from error
    return questions


def _expected(row: Mapping[str, Any]) -> Expected:
    question, answerable = str(row["question"]).strip(), row.get("answerable")
    forbidden = _texts(row.get("must_not_include") or [])
    if not question:
        raise ValueError("the question is empty")
    if answerable not in (True, False) and not (answerable is None and forbidden):
        raise ValueError("answerable must be true or false")
    outcomes = frozenset(Outcome(name) for name in row.get("outcome") or ())
    if not outcomes and answerable is not None:
        outcomes = ANSWERED if answerable else ABSTAINED
    groups = row.get("must_include") or []
    if not isinstance(groups, list):
        raise TypeError(_LISTS)
    return Expected(
        question,
        str(row.get("language") or language_of(question)),
        tuple(Message(Role(m["role"]), str(m["content"])) for m in row.get("history") or ()),
        answerable,
        outcomes,
        must_include=tuple(_texts([group] if isinstance(group, str) else group) for group in groups),
        must_not_include=forbidden,
        **{name: str(row.get(name) or "") for name in ("source", "reference", "kind", "passage", "note")},
    )


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise TypeError(_LISTS)
    return tuple(value)
