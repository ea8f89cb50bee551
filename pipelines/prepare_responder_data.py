"""Compose the responder's training rows from a knowledge folder and hand-written examples.

Every curated question gives rows with its passage among distractors: its other phrasings, questions about one
detail, follow-ups, questions in the other language, and questions that no passage answers. Distractors are drawn
from the same table first, since near neighbours are what retrieval confuses.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.conversations import Passage
from app.integrations.documents import read_folder
from app.ml.datasets import read_rows
from app.services.fixed_replies import unknown_reply
from pipelines import command_line

OTHER = {"en": "zh", "zh": "en"}


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--knowledge", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--examples", type=Path, required=True, help="folder with details, dialogues, out_of_scope .jsonl"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--phrasings", type=int, default=2, help="phrasings used of each curated question")
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    passages, _ = read_folder(arguments.knowledge)
    composer = Composer([p for p in passages if p.question], random.Random(arguments.seed))
    rows = list(composer.rows(arguments.examples, arguments.phrasings))
    composer.rng.shuffle(rows)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    command_line.print_json({"output": str(arguments.output), "rows": len(rows)})


@dataclass
class Composer:
    """Builds rows; all chance comes from `rng`."""

    passages: Sequence[Passage]
    rng: random.Random

    def __post_init__(self) -> None:
        self.by_source = {p.source: p for p in self.passages}

    def rows(self, examples: Path, phrasings: int) -> Iterator[dict[str, Any]]:
        """All rows, unshuffled."""
        for passage in self.passages:
            asked = [passage.question, *passage.alternatives]
            for question in self.rng.sample(asked, min(phrasings, len(asked))):
                yield self._row([question], passage, passage.text)
            foreign = self._translation(passage)
            if foreign and self.rng.random() < 0.5:
                yield self._row([self.rng.choice([foreign.question, *foreign.alternatives])], passage, foreign.text)
        for _, row in read_rows(examples / "details.jsonl"):
            yield self._row([row["question"]], self.by_source[row["source"]], row["reply"])
        for _, row in read_rows(examples / "dialogues.jsonl"):
            yield self._row(row["turns"], self.by_source[row["source"]], row["reply"])
        for _, row in read_rows(examples / "out_of_scope.jsonl"):
            yield self._row([row["question"]], None, unknown_reply(row["language"]), row["language"])

    def _translation(self, passage: Passage) -> Passage | None:
        language, _, rest = passage.source.partition("/")
        return self.by_source.get(f"{OTHER.get(language, '')}/{rest}")

    def _row(self, turns: Sequence[str], right: Passage | None, reply: str, language: str = "") -> dict[str, Any]:
        chosen = self._distractors(right, language or (right.language if right else "en"))
        if right:
            chosen.insert(0 if self.rng.random() < 0.6 else self.rng.randint(0, len(chosen)), right)
            reply = f"{reply} [{chosen.index(right) + 1}]"
        roles = ["user", "assistant"]
        return {
            "messages": [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)],
            "passages": [{"source": p.source, "question": p.question, "text": p.text} for p in chosen],
            "reply": reply,
        }

    def _distractors(self, right: Passage | None, language: str) -> list[Passage]:
        pool = [p for p in self.passages if p.language == language and p is not right]
        table = right.source.split("#")[0] if right else ""
        near = [p for p in pool if p.source.startswith(table)] or pool
        count = self.rng.choice([1, 2, 2, 3])
        drawn = [self.rng.choice(near if self.rng.random() < 0.7 else pool) for _ in range(count)]
        return list({p.source: p for p in drawn}.values())


if __name__ == "__main__":
    command_line.run(main)
