"""Compose the judge's training pairs: a question, a passage, whether the one answers the other.

Yes: every phrasing, detail and follow-up with its own entry. No: the same questions with what retrieval finds
beside it, and questions on the entry's subject that it does not answer (the hard ones), with it and with others.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.bootstrap import load_backbone
from app.domain.conversations import Message, Passage, Role
from app.integrations.documents import read_folder
from app.ml.companies import CompanyEntry, load_companies
from app.ml.datasets import read_rows
from app.ml.embedder import load_embedder
from app.services.indexing import entries_of
from app.services.retrieval import Retrieval
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line

OTHER = {"en": "zh", "zh": "en"}


@dataclass(frozen=True)
class Asked:
    """A question with the source of its answer; empty when no passage answers it."""

    question: str
    source: str
    language: str
    history: tuple[Message, ...] = ()
    near: str = ""  # source of the entry on whose subject an unanswered question is


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--knowledge", type=Path, required=True, metavar="DIR")
    parser.add_argument("--examples", type=Path, required=True, help="folder with details, dialogues, out_of_scope")
    parser.add_argument("--companies", nargs="*", type=Path, default=[], metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    settings = command_line.settings_of(arguments)
    embedder = load_embedder(
        settings.embedder, load_backbone(settings, command_line.show_progress), settings.threads
    )
    bank = [p for p in read_folder(arguments.knowledge)[0] if p.question]
    knowledge = [(bank, bank_questions(bank, arguments.examples, rng))]
    for path in arguments.companies:
        entries = load_companies([path])
        knowledge.append(([e.passage for e in entries], list(company_questions(entries, rng))))
    rows: list[dict[str, Any]] = []
    for passages, asked in knowledge:
        texts = entries_of([replace(p, alternatives=()) for p in passages])
        index = KnowledgeIndex(passages, texts, embedder.embed_passages([e.text for e in texts]), {})
        for done, question in enumerate(asked):
            rows += pairs_of(question, passages, Retrieval(index, embedder), rng)
            command_line.show_progress(f"Pairing {len(passages)} passages", (done + 1) / len(asked))
    rng.shuffle(rows)
    with arguments.output.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    yes = sum(row["answers"] for row in rows)
    command_line.print_json({"output": str(arguments.output), "rows": len(rows), "answered": yes})


def bank_questions(passages: Sequence[Passage], examples: Path, rng: random.Random) -> list[Asked]:
    """Other phrasings, details, follow-ups, and questions out of scope."""
    asked = []
    for p in passages:
        phrasings = [p.question, *p.alternatives]
        asked += [Asked(q, p.source, p.language) for q in rng.sample(phrasings, min(2, len(phrasings)))]
    for _, row in read_rows(examples / "details.jsonl"):
        asked.append(Asked(row["question"], row["source"], row["language"]))
    for _, row in read_rows(examples / "dialogues.jsonl"):
        roles = [Role.CUSTOMER, Role.ASSISTANT]
        turns = [Message(roles[i % 2], turn) for i, turn in enumerate(row["turns"])]
        asked.append(Asked(turns[-1].content, row["source"], row["language"], tuple(turns[:-1])))
    for _, row in read_rows(examples / "out_of_scope.jsonl"):
        asked.append(Asked(row["question"], "", row["language"]))
    return asked


def company_questions(entries: Sequence[CompanyEntry], rng: random.Random) -> Iterator[Asked]:
    """Phrasings, details, follow-ups and near misses of every entry."""
    for e in entries:
        source = e.passage.source
        for question in rng.sample([e.question, *e.phrasings], 3):
            yield Asked(question, source, e.language)
        yield Asked(rng.choice(e.details).question, source, e.language)
        if e.turns:
            yield Asked(e.turns[-1].content, source, e.language, e.turns[:-1])
        for question in e.near_misses:
            yield Asked(question, "", e.language, near=source)


def pairs_of(
    asked: Asked, passages: Sequence[Passage], retrieval: Retrieval, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """Rows of one question: its own entry, and one or two of those that retrieval finds beside it."""
    by_source = {p.source: p for p in passages}
    own = by_source.get(asked.source)
    if own:
        if rng.random() < 0.2 and (foreign := by_source.get(_translation(own.source))):
            own = foreign
        yield _row(asked, own, True)
    if near := by_source.get(asked.near):
        yield _row(asked, near, False)
    hits = [h.passage for h in retrieval.retrieve(asked.question, asked.history, 6)]
    same = {asked.source, asked.near, _translation(asked.source), _translation(asked.near)}
    others = [p for p in hits if p.source not in same][:4]
    count = 2 if not own and not near else 1
    for passage in rng.sample(others, min(count, len(others))):
        yield _row(asked, passage, False)


def _translation(source: str) -> str:
    """The same entry in the other language: en/cards.csv#3, or COMPANY/ENTRY/en."""
    first, _, rest = source.partition("/")
    if first in OTHER:
        return f"{OTHER[first]}/{rest}"
    start, _, last = source.rpartition("/")
    return f"{start}/{OTHER[last]}" if last in OTHER else source


def _row(asked: Asked, passage: Passage, answers: bool) -> dict[str, Any]:
    return {
        "question": asked.question,
        "history": [{"role": m.role.value, "content": m.content} for m in asked.history],
        "passage": {"source": passage.source, "question": passage.question, "text": passage.text},
        "answers": answers,
    }


if __name__ == "__main__":
    command_line.run(main)
