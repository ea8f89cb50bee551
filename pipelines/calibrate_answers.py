"""Choose the cosines that separate the outcomes of a question, for the embedder in force.

    answer          the lowest that answers at most --max-false-answers of the out-of-scope questions; where that
                    leaves less than 70 % of the in-scope ones, the one with the best balanced accuracy
    template        the lowest from which on at most 2 % of the questions have a wrong entry on top; 1.01 (never)
                    where fewer than 20 questions get so far, since that many are needed to tell
    clarify_margin  the widest that asks back at most 2 % of the questions

Questions are JSON Lines with question, source, language[, history], those out of scope with question, language.
The thresholds are chosen on one half of each and everything else is reported on the other.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.bootstrap import load_backbone
from app.domain.conversations import Message, Outcome, Role
from app.domain.errors import InvalidInput
from app.domain.guardrails import language_of
from app.ml.datasets import read_rows
from app.ml.embedder import load_embedder
from app.services.decisions import Thresholds, decide
from app.services.retrieval import Retrieval
from app.storage.knowledge_index import Hit, KnowledgeIndex
from pipelines import command_line
from pipelines.evaluate_retrieval import accepted, read_questions

MIN_IN_SCOPE = 0.70
MAX_WRONG_TEMPLATES = 0.02
MIN_TEMPLATES = 20
MAX_CLARIFIED = 0.02
NEVER = 1.01  # no cosine reaches it


@dataclass(frozen=True)
class Asked:
    """A question with what was found for it. `source` is empty when it is out of scope."""

    language: str
    source: str
    follow_up: bool
    hits: tuple[Hit, ...]

    @property
    def top(self) -> float:
        return self.hits[0].cosine if self.hits else 0.0

    @property
    def found(self) -> bool:
        """Whether the entry on top is the right one, in any language."""
        if not self.hits:
            return False
        source = self.hits[0].passage.source
        return bool({source, source.split("#")[0]} & accepted(self.source, any_language=True))

    def outcome(self, thresholds: Thresholds) -> Outcome:
        return decide(self.hits, self.language, thresholds, self.follow_up).outcome


def main() -> None:
    parser = command_line.parser("Choose the cosines that separate the outcomes of a question.")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=Path, required=True, metavar="FILE", help="in scope")
    parser.add_argument("--out-of-scope", type=Path, required=True, metavar="FILE")
    parser.add_argument("--max-false-answers", type=float, default=0.03, metavar="SHARE")
    parser.add_argument("--seed", type=int, default=17, help="of the halves")
    parser.add_argument("--json", action="store_true", help="one JSON line (default: indented)")
    print_report(parser.parse_args())


def print_report(arguments: argparse.Namespace) -> None:
    """Ask everything once, then choose and report, for all languages together and for each."""
    index = KnowledgeIndex.load(arguments.index)
    rows = [*read_questions(arguments.questions), *read_out_of_scope(arguments.out_of_scope)]
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    retrieval = Retrieval(index, load_embedder(settings.embedder, backbone, settings.threads))
    asked = ask(retrieval, rows, 2 * settings.top_k)
    limit, seed = arguments.max_false_answers, arguments.seed
    languages = sorted({question.language for question in asked})
    per_language = {name: calibrate([q for q in asked if q.language == name], limit, seed) for name in languages}
    report = {
        "embedder": retrieval.embedder.name,
        "max_false_answers": limit,
        "seed": seed,
        **calibrate(asked, limit, seed),
        "per_language": per_language,
    }
    print(json.dumps(report, ensure_ascii=False, indent=None if arguments.json else 2))


def read_out_of_scope(path: Path) -> list[dict[str, Any]]:
    """Rows with a question. Raises InvalidInput naming the line."""
    rows = []
    for number, row in read_rows(path):
        if not row.get("question"):
            raise InvalidInput(f"{path}, line {number}: expected question.")
        rows.append({**row, "source": ""})
    return rows


def ask(retrieval: Retrieval, rows: Sequence[dict[str, Any]], top_k: int) -> list[Asked]:
    """Look every question up, as the chat would."""
    asked = []
    for done, row in enumerate(rows, 1):
        history = [Message(Role(m["role"]), m["content"]) for m in row.get("history") or []]
        hits = tuple(retrieval.retrieve(row["question"], history, top_k))
        language = row.get("language") or language_of(row["question"])
        asked.append(Asked(language, row["source"], bool(history), hits))
        command_line.show_progress("Asking", done / len(rows))
    return asked


def calibrate(asked: Sequence[Asked], max_false_answers: float, seed: int) -> dict[str, Any]:
    """Thresholds chosen on one half and what they do to the other."""
    inside, inside_held = halves([q for q in asked if q.source], seed)
    outside, outside_held = halves([q for q in asked if not q.source], seed)
    if not inside or not outside:
        raise InvalidInput("Each language needs two questions in scope and two out of scope.")
    answer = choose_answer(inside, outside, max_false_answers)
    template = max(answer, choose_template(inside))
    margin = choose_margin(inside, Thresholds(template, answer, 0.0))
    chosen = Thresholds(*(float(np.round(value, 4)) for value in (template, answer, margin)))
    outcomes = Counter(question.outcome(chosen) for question in inside_held)
    templates = [q for q in inside_held if q.outcome(chosen) is Outcome.TEMPLATE]
    return {
        "template": chosen.template,
        "answer": chosen.answer,
        "clarify_margin": chosen.clarify_margin,
        "in_scope_answered": answered(inside_held, chosen.answer),
        "out_of_scope_answered": answered(outside_held, chosen.answer),
        "out_of_scope_template": share(q.outcome(chosen) is Outcome.TEMPLATE for q in outside_held),
        "templates_wrong": share(not q.found for q in templates),
        "outcomes": {outcome.value: outcomes[outcome] for outcome in Outcome},
        "in_scope": distribution(inside, inside_held),
        "out_of_scope": distribution(outside, outside_held),
    }


def halves(questions: Sequence[Asked], seed: int) -> tuple[list[Asked], list[Asked]]:
    """To choose on, and to report on."""
    order = list(questions)
    random.Random(seed).shuffle(order)
    return order[: len(order) // 2], order[len(order) // 2 :]


def choose_answer(inside: Sequence[Asked], outside: Sequence[Asked], max_false_answers: float) -> float:
    """The threshold `answer` (see above)."""
    candidates = [*sorted({question.top for question in (*inside, *outside)}), NEVER]
    safe = next(t for t in candidates if answered(outside, t) <= max_false_answers)
    if answered(inside, safe) >= MIN_IN_SCOPE:
        return safe
    return max(candidates, key=lambda t: answered(inside, t) - answered(outside, t))


def choose_template(inside: Sequence[Asked]) -> float:
    """The threshold `template`; follow-ups are left out, since they get none."""
    alone = [question for question in inside if not question.follow_up]
    for threshold in sorted({question.top for question in alone}):
        wrong = [not question.found for question in alone if question.top >= threshold]
        if len(wrong) >= MIN_TEMPLATES and share(wrong) <= MAX_WRONG_TEMPLATES:
            return threshold
    return NEVER


def choose_margin(inside: Sequence[Asked], limits: Thresholds) -> float:
    """The widest margin, to a thousandth and at most 0.05, that clarifies few enough."""
    for margin in np.arange(0.05, 0.0, -0.001):
        tried = Thresholds(limits.template, limits.answer, float(margin))
        if share(question.outcome(tried) is Outcome.CLARIFY for question in inside) <= MAX_CLARIFIED:
            return float(margin)
    return 0.0


def answered(questions: Sequence[Asked], threshold: float) -> float:
    """The share of questions whose top cosine reaches the threshold."""
    return share(question.top >= threshold for question in questions)


def share(marks: Iterable[bool]) -> float:
    """The share of true ones; 0 of none."""
    values = list(marks)
    return round(sum(values) / len(values), 4) if values else 0.0


def distribution(chosen_on: Sequence[Asked], reported_on: Sequence[Asked]) -> dict[str, Any]:
    """Sizes of the halves, and quantiles of the top cosines of both."""
    tops = [question.top for question in (*chosen_on, *reported_on)]
    levels = (0, 5, 25, 50, 75, 95, 100)
    cosines = {f"p{level}": round(float(np.percentile(tops, level)), 4) for level in levels}
    return {"chosen_on": len(chosen_on), "reported_on": len(reported_on), "cosines": cosines}


if __name__ == "__main__":
    command_line.run(main)
