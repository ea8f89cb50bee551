"""Compose the responder's training rows from a knowledge folder, other companies' answers and written examples.

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
CROSSED, UNANSWERED = 0.5, 0.2  # shares of entries asked in the other language, or with an almost right passage


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--knowledge", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--examples", type=Path, required=True, help="folder with details, dialogues, out_of_scope .jsonl"
    )
    parser.add_argument("--companies", type=Path, metavar="DIR", help="folder of other companies' answers, .jsonl")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--phrasings", type=int, default=2, help="phrasings used of each curated question")
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    passages, _ = read_folder(arguments.knowledge)
    rng = random.Random(arguments.seed)
    rows = list(Composer([p for p in passages if p.question], rng).rows(arguments.examples, arguments.phrasings))
    for path in sorted(arguments.companies.glob("*.jsonl")) if arguments.companies else ():
        rows += company_rows(path, rng)
    rng.shuffle(rows)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    command_line.print_json({"output": str(arguments.output), "rows": len(rows)})


def company_rows(path: Path, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of one company: whole answers, details, follow-ups, and questions that its answers almost answer."""
    entries = [row for _, row in read_rows(path)]
    source = lambda row: f"{row['language']}/{row['entry']}"  # noqa: E731
    composer = Composer(
        [Passage(source(e), e["answer"], question=e["question"], language=e["language"]) for e in entries], rng, 2
    )
    for entry in entries:
        right = composer.by_source[source(entry)]
        for question in rng.sample([entry["question"], *entry["phrasings"]], 2):
            yield composer.row([question], right, right.text)
        foreign = composer.translation(right)
        if foreign and rng.random() < CROSSED:
            yield composer.row([foreign.question], right, foreign.text)
        for detail in entry["details"]:
            yield composer.row([detail["question"]], right, detail["reply"])
        if follow_up := entry.get("follow_up"):
            yield composer.row(follow_up["turns"], right, follow_up["reply"])
        if rng.random() < UNANSWERED:
            yield composer.row([rng.choice(entry["near_misses"])], None, unknown_reply(right.language), right)


@dataclass
class Composer:
    """Builds rows with up to `distractors` wrong passages each; all chance comes from `rng`."""

    passages: Sequence[Passage]
    rng: random.Random
    distractors: int = 3

    def __post_init__(self) -> None:
        self.by_source = {p.source: p for p in self.passages}

    def rows(self, examples: Path, phrasings: int) -> Iterator[dict[str, Any]]:
        """All rows, unshuffled."""
        for passage in self.passages:
            asked = [passage.question, *passage.alternatives]
            for question in self.rng.sample(asked, min(phrasings, len(asked))):
                yield self.row([question], passage, passage.text)
            foreign = self.translation(passage)
            if foreign and self.rng.random() < 0.5:
                yield self.row([self.rng.choice([foreign.question, *foreign.alternatives])], passage, foreign.text)
        for _, row in read_rows(examples / "details.jsonl"):
            yield self.row([row["question"]], self.by_source[row["source"]], row["reply"])
        for _, row in read_rows(examples / "dialogues.jsonl"):
            yield self.row(row["turns"], self.by_source[row["source"]], row["reply"])
        for _, row in read_rows(examples / "out_of_scope.jsonl"):
            yield self.row([row["question"]], None, unknown_reply(row["language"]), language=row["language"])

    def translation(self, passage: Passage) -> Passage | None:
        language, _, rest = passage.source.partition("/")
        return self.by_source.get(f"{OTHER.get(language, '')}/{rest}")

    def row(
        self,
        turns: Sequence[str],
        right: Passage | None,
        reply: str,
        near_miss: Passage | None = None,
        language: str = "",
    ) -> dict[str, Any]:
        """One example: with `right` among the passages and cited, or with none that answers.

        `near_miss` is the passage that almost answers.
        """
        shown = right or near_miss
        chosen = self._wrong(shown, language or (shown.language if shown else "en"))
        if shown:
            chosen.insert(0 if self.rng.random() < 0.6 else self.rng.randint(0, len(chosen)), shown)
        if right:
            reply = f"{reply} [{chosen.index(right) + 1}]"
        roles = ["user", "assistant"]
        return {
            "messages": [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)],
            "passages": [{"source": p.source, "question": p.question, "text": p.text} for p in chosen],
            "reply": reply,
        }

    def _wrong(self, shown: Passage | None, language: str) -> list[Passage]:
        pool = [p for p in self.passages if p.language == language and p is not shown]
        table = shown.source.split("#")[0] if shown else ""
        near = [p for p in pool if p.source.startswith(table)] or pool
        count = self.rng.choice([n for n in (1, 2, 2, 3) if n <= self.distractors])
        drawn = [self.rng.choice(near if self.rng.random() < 0.7 else pool) for _ in range(count)]
        return list({p.source: p for p in drawn}.values())


if __name__ == "__main__":
    command_line.run(main)
