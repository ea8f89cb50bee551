"""Answers of an evaluation, kept row by row, so that a run that was stopped goes on where it was."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.bootstrap import thresholds_of
from app.config import Settings
from app.domain.conversations import Outcome, Passage
from app.domain.errors import InvalidInput
from app.ml.answer_metrics import Judged, Observed, judge_reply
from app.ml.evaluation_rows import Expected
from app.storage.knowledge_index import KnowledgeIndex

WEIGHTS = "adapter_model.safetensors"
_DECIDE = ("backbone", "embedder", "top_k", "max_reply_tokens", "dtype", "responder_adapter", "judge_adapter")


class KeptAnswers:
    """What was answered so far. With a path, each answer is on the disk before the next question is asked.

    `setup` names the model and the knowledge: answers of two setups do not mix.
    """

    def __init__(self, path: Path | None, setup: str, questions: Sequence[Expected]) -> None:
        """Read what is there. Raises InvalidInput when it answers other questions or is of another setup."""
        self._path, self._setup, self._questions = path, setup, questions
        self._known: dict[str, Observed] = {}
        if path and path.exists():
            self._read(path, {key_of(question) for question in questions})

    def _read(self, path: Path, keys: set[str]) -> None:
        lines = path.read_text("utf-8").split("\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                key, setup, observed = row["key"], row["setup"], _observed(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if number == len(lines):
                    continue  # the run was ended while it wrote this line
                raise InvalidInput(f"{path}, line {number}: not an answer that this command kept.") from error
            if key not in keys or setup != self._setup:
                what = "an answer to another question" if key not in keys else "an answer of another model or index"
                raise InvalidInput(f"{path}, line {number}: {what}. Name another file, or remove this one.")
            self._known[key] = observed
        self.save()

    def find(self, question: Expected) -> Observed | None:
        """The answer that is known."""
        return self._known.get(key_of(question))

    def add(self, question: Expected, observed: Observed) -> None:
        """Keep an answer."""
        self._known[key_of(question)] = observed
        if self._path:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(self._row(question, observed), ensure_ascii=False) + "\n")

    def save(self) -> None:
        """Write all answers in the order of the questions, judged by what is expected now."""
        if not self._path:
            return
        known = [(q, self._known[key_of(q)]) for q in self._questions if key_of(q) in self._known]
        scratch = self._path.with_name(self._path.name + ".part")
        with scratch.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(self._row(q, o), ensure_ascii=False) + "\n" for q, o in known)
        os.replace(scratch, self._path)

    def _row(self, question: Expected, observed: Observed) -> dict[str, Any]:
        return {"key": key_of(question), "setup": self._setup} | row_of(
            (question, observed, judge_reply(question, observed))
        )


def key_of(question: Expected) -> str:
    """The same for the same question; what is expected of its answer may be mended meanwhile."""
    asked = [question.question, [(m.role.value, m.content) for m in question.history], question.passage]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()[:16]


def setup_of(settings: Settings, index: KnowledgeIndex) -> str:
    """Changes with whatever decides an answer: the index, the models, their adapters' weights, the thresholds."""
    decisive = {name: str(getattr(settings, name)) for name in _DECIDE}
    known = [index.meta.get("fingerprint", ""), decisive, repr(thresholds_of(settings))]
    digest = hashlib.sha256(json.dumps(known).encode())
    for value in decisive.values():
        weights = Path(value.removeprefix("backbone:")) / WEIGHTS
        if weights.is_file():
            digest.update(weights.read_bytes())
    return digest.hexdigest()[:16]


def row_of(judged: Judged) -> dict[str, Any]:
    """Question, what was expected, reply, citations with their scores, and verdict, ready for JSON."""
    expected, observed, verdict = judged
    asked = {name: value for name, value in asdict(expected).items() if value not in ("", (), None)}
    citations = [
        {name: getattr(p, name) for name in ("source", "score", "question", "title", "text", "language")}
        for p in observed.citations
    ]
    return {
        **asked,
        "outcomes": sorted(expected.outcomes),
        "reply": observed.text,
        "outcome": observed.outcome.value,
        "citations": citations,
        "found": observed.found,
        "seconds_to_first_token": observed.seconds_to_first_token,
        "seconds": observed.seconds,
        "verdict": {**asdict(verdict), "faults": verdict.faults()},
    }


def _observed(row: dict[str, Any]) -> Observed:
    return Observed(
        row["reply"],
        Outcome(row["outcome"]),
        tuple(Passage(**citation) for citation in row["citations"]),
        tuple((source, score) for source, score in row["found"]),
        row["seconds_to_first_token"],
        row["seconds"],
    )
