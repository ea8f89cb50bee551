"""Measure retrieval: JSON Lines with question, source[, history] -> hit@1, hit@5, mrr, ms per query.

A source without "#row" is found when any passage of that file is. With --any-language, the translation of the
source in another language's folder counts as well.
"""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.bootstrap import load_backbone
from app.domain.conversations import Message, Role
from app.domain.errors import InvalidInput
from app.ml.datasets import read_rows
from app.ml.embedder import load_embedder
from app.ml.metrics import retrieval_report
from app.services.retrieval import Retrieval
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=Path, required=True, metavar="FILE")
    parser.add_argument("--any-language", action="store_true")
    parser.add_argument("--json", action="store_true", help="one JSON line (default: indented)")
    arguments = parser.parse_args()
    index = KnowledgeIndex.load(arguments.index)
    rows = read_questions(arguments.questions)
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    retrieval = Retrieval(index, load_embedder(settings.embedder, backbone, settings.threads))
    report = evaluate(retrieval, rows, arguments.any_language)
    print(json.dumps(report, ensure_ascii=False, indent=None if arguments.json else 2))


def read_questions(path: Path) -> list[dict[str, Any]]:
    """Rows with question and source. Raises InvalidInput naming the line."""
    rows = []
    for number, row in read_rows(path):
        if not row.get("question") or not row.get("source"):
            raise InvalidInput(f"{path}, line {number}: expected question and source.")
        rows.append(row)
    return rows


def evaluate(retrieval: Retrieval, rows: Sequence[dict[str, Any]], any_language: bool = False) -> dict[str, Any]:
    """hit@1, hit@5 and mrr over all rows and per language, and the mean time of a query in milliseconds."""
    retrieval.retrieve("warm-up")
    ranks: dict[str, list[int | None]] = defaultdict(list)
    started = time.perf_counter()
    for done, row in enumerate(rows, 1):
        history = [Message(Role(m["role"]), m["content"]) for m in row.get("history") or []]
        found = [hit.passage.source for hit in retrieval.retrieve(row["question"], history, 10)]
        wanted = accepted(row["source"], any_language)
        rank = next((i for i, s in enumerate(found, 1) if s in wanted or s.split("#")[0] in wanted), None)
        ranks["all"].append(rank)
        ranks[str(row.get("language", ""))].append(rank)
        command_line.show_progress("Asking", done / len(rows))
    seconds = time.perf_counter() - started
    report: dict[str, Any] = {"n": len(rows), **retrieval_report(ranks.pop("all"))}
    report["per_language"] = {name: retrieval_report(r) for name, r in sorted(ranks.items()) if name}
    report["ms_per_query"] = 1000 * seconds / max(1, len(rows))
    return report


def accepted(source: str, any_language: bool) -> set[str]:
    """The sources that count as found."""
    folder, _, rest = source.partition("/")
    if any_language and folder in {"en", "zh"}:
        return {f"en/{rest}", f"zh/{rest}"}
    return {source}


if __name__ == "__main__":
    command_line.run(main)
