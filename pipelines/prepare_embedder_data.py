"""Compose the embedder's training rows: texts that mean the same share a group, groups of one company a domain.

From a knowledge folder (a question, its other phrasings and its answer, in both languages), from the training
companies in data/training/companies, and from the public intent sets under --datasets.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from app.domain.errors import InvalidInput
from app.integrations.documents import read_folder
from app.ml.companies import load_companies
from app.ml.datasets import normalise
from pipelines import command_line

Rows = Iterator[tuple[str, str]]  # (group, text)


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--knowledge", type=Path, required=True, metavar="DIR")
    parser.add_argument("--companies", nargs="*", type=Path, default=[], metavar="FILE")
    parser.add_argument("--datasets", type=Path, help="folder that holds banking77 and clinc150")
    parser.add_argument("--per-intent", type=int, default=30, help="texts used of each public intent")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    pairs = [*knowledge_rows(arguments.knowledge), *company_rows(arguments.companies)]
    if arguments.datasets:
        pairs += public_rows(arguments.datasets, arguments.per_intent, arguments.seed)
    rows, known = [], set()
    for group, text in pairs:
        if (key := normalise(text)) not in known:
            known.add(key)
            rows.append({"text": text, "group": group})
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    command_line.print_json({"output": str(arguments.output), "rows": len(rows), "groups": len(set(dict(pairs)))})


def knowledge_rows(folder: Path) -> Rows:
    """Curated entries; those of en/TABLE and zh/TABLE in the same row are one group."""
    for passage in read_folder(folder)[0]:
        if passage.question:
            group = f"bank:{passage.source.split('/', 1)[-1]}"
            for text in (passage.question, *passage.alternatives, passage.text):
                yield group, text


def company_rows(paths: list[Path]) -> Rows:
    """Entries of the training companies, with the questions about their details."""
    for entry in load_companies(paths):
        group = f"{entry.company}:{entry.entry}"
        for text in (entry.question, *entry.phrasings, entry.answer, *(d.question for d in entry.details)):
            yield group, text


def public_rows(datasets: Path, per_intent: int, seed: int) -> Rows:
    """A seeded sample of each intent of the training parts of BANKING77 and CLINC150; no text of a test part."""
    rng = random.Random(seed)
    bank, clinc = datasets / "banking77", datasets / "clinc150" / "data_full.json"
    if not (bank / "train.csv").is_file() or not clinc.is_file():
        raise InvalidInput(f"{datasets} does not hold banking77 and clinc150; see data/README.md.")
    intents: dict[str, list[str]] = defaultdict(list)
    with (bank / "train.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            intents[f"banking77:{row['category']}"].append(" ".join(row["text"].split()))
    with (bank / "test.csv").open(encoding="utf-8") as stream:
        held_out = {normalise(row["text"]) for row in csv.DictReader(stream)}
    for text, intent in json.loads(clinc.read_text("utf-8"))["train"]:
        intents[f"clinc150:{intent}"].append(text)
    for group, texts in sorted(intents.items()):
        texts = [text for text in texts if normalise(text) not in held_out]
        count = per_intent if group.startswith("banking77") else per_intent // 3
        for text in rng.sample(texts, min(count, len(texts))):
            yield group, text


if __name__ == "__main__":
    command_line.run(main)
