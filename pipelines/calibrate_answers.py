"""Choose what separates the outcomes of a question, for the embedder and the judge in force.

    answerability   logistic regression on the judge's log-odds and the cosine: does this passage answer?
    template        the lowest cosine from which on at most 2 % of the questions have a wrong entry on top; 1.01
                    (never) where fewer than 20 questions get so far, since that many are needed to tell
    answer          for each language, the lowest score at which at most --max-false-answers of the questions out
                    of scope are answered: conformal, so that the share holds for new questions of the kind
                    (Angelopoulos and Bates 2021, arXiv:2107.07511, with the finite-sample correction)
    clarify_margin  the widest that asks back at most 2 % of the questions

Questions are JSON Lines with question, source, language[, history], those out of scope with question, language.
Everything is chosen on one half of each and reported on the other; --save then chooses on all of it and writes
the result beside the judge's weights.
"""

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.bootstrap import build_judge, load_backbone
from app.domain.conversations import Message, Outcome, Passage, Role
from app.domain.errors import InvalidInput
from app.domain.guardrails import language_of
from app.ml.datasets import read_rows
from app.ml.embedder import load_embedder
from app.ml.judge import Judge
from app.services.decisions import (
    THRESHOLDS,
    Answerability,
    Candidate,
    Thresholds,
    candidates_of,
    decide,
    prefer_language,
    template_of,
)
from app.services.retrieval import Retrieval
from app.storage.knowledge_index import Hit, KnowledgeIndex
from pipelines import command_line
from pipelines.evaluate_retrieval import accepted, read_questions

MAX_WRONG_TEMPLATES = 0.02
MIN_TEMPLATES = 20
MAX_CLARIFIED = 0.02
NEVER = 1.01  # no score reaches it


@dataclass(frozen=True)
class Asked:
    """A question, what was found for it, and the judge's log-odds of each. `source` is empty out of scope."""

    language: str
    source: str
    follow_up: bool
    hits: tuple[Hit, ...]
    odds: tuple[float, ...] = ()  # empty where there is no judge

    def right(self, passage: Passage) -> bool:
        """Whether a passage is the one wanted, in any language."""
        source = passage.source
        return bool(self.source and {source, source.split("#")[0]} & accepted(self.source, any_language=True))

    def candidates(self, answerability: Answerability) -> list[Candidate]:
        """As the chat scores them."""
        return candidates_of(self.hits, self.odds, answerability)

    def top(self, answerability: Answerability) -> float:
        return max((c.score for c in self.candidates(answerability)), default=0.0)

    def outcome(self, limits: Thresholds) -> tuple[Outcome, bool]:
        """What the chat does, and whether it is the right entry that it answers from first."""
        decision = template_of(self.hits, self.language, limits) or decide(
            self.candidates(limits.answerability), self.language, limits, self.follow_up
        )
        return decision.outcome, any(self.right(passage) for passage in decision.passages[:1])


def main() -> None:
    parser = command_line.parser("Choose what separates the outcomes of a question.")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", nargs="+", type=Path, required=True, metavar="FILE", help="in scope")
    parser.add_argument("--out-of-scope", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--max-false-answers", type=float, default=0.03, metavar="SHARE")
    parser.add_argument("--limit", type=int, metavar="N", help="ask at most N questions in scope")
    parser.add_argument("--seed", type=int, default=17, help="of the halves")
    parser.add_argument("--save", action="store_true", help="write the thresholds beside the judge's weights")
    parser.add_argument("--json", action="store_true", help="one JSON line (default: indented)")
    print_report(parser.parse_args())


def print_report(arguments: argparse.Namespace) -> None:
    """Ask everything once, choose on one half, report on the other."""
    index = KnowledgeIndex.load(arguments.index)
    inside = [row for path in arguments.questions for row in read_questions(path)]
    if arguments.limit and len(inside) > arguments.limit:
        inside = random.Random(arguments.seed).sample(inside, arguments.limit)
    outside = [row for path in arguments.out_of_scope for row in read_out_of_scope(path)]
    settings = command_line.settings_of(arguments)
    if arguments.save and not settings.judge_adapter:
        raise InvalidInput("--save keeps the thresholds beside a judge, and BELLWETHER_JUDGE_ADAPTER is none.")
    backbone = load_backbone(settings, command_line.show_progress)
    retrieval = Retrieval(index, load_embedder(settings.embedder, backbone, settings.threads))
    asked = ask(retrieval, build_judge(settings, backbone), [*inside, *outside], settings.top_k)
    chosen_on, reported_on = halves(asked, arguments.seed)
    chosen = choose(chosen_on, arguments.max_false_answers)
    report = {
        "embedder": retrieval.embedder.name,
        "max_false_answers": arguments.max_false_answers,
        "seed": arguments.seed,
        "chosen": asdict(chosen),
        **measure(reported_on, chosen),
        "per_language": {
            name: measure([q for q in reported_on if q.language == name], chosen)
            for name in sorted({question.language for question in asked})
        },
    }
    if arguments.save and settings.judge_adapter:
        final = choose(asked, arguments.max_false_answers)
        report["saved"] = asdict(final)
        save(settings.judge_adapter / THRESHOLDS, settings.embedder.split(":")[0], final)
    print(json.dumps(report, ensure_ascii=False, indent=None if arguments.json else 2))


def read_out_of_scope(path: Path) -> list[dict[str, Any]]:
    """Rows with a question. Raises InvalidInput naming the line."""
    rows = []
    for number, row in read_rows(path):
        if not row.get("question"):
            raise InvalidInput(f"{path}, line {number}: expected question.")
        rows.append({**row, "source": ""})
    return rows


def ask(retrieval: Retrieval, judge: Judge | None, rows: Sequence[dict[str, Any]], top_k: int) -> list[Asked]:
    """Look every question up and judge what is found, as the chat would."""
    asked = []
    for done, row in enumerate(rows, 1):
        history = [Message(Role(m["role"]), m["content"]) for m in row.get("history") or []]
        language = row.get("language") or language_of(row["question"])
        hits = prefer_language(retrieval.retrieve(row["question"], history, 2 * top_k), language)[:top_k]
        odds = judge.scores(row["question"], [h.passage for h in hits], history) if judge else ()
        asked.append(Asked(language, row["source"], bool(history), tuple(hits), tuple(odds)))
        command_line.show_progress("Asking", done / len(rows))
    return asked


def halves(questions: Sequence[Asked], seed: int) -> tuple[list[Asked], list[Asked]]:
    """To choose on, and to report on: each with half of the questions in scope and half of those out of it."""
    rng, first, second = random.Random(seed), [], []
    for inside in (True, False):
        part = [question for question in questions if bool(question.source) == inside]
        rng.shuffle(part)
        first += part[: len(part) // 2]
        second += part[len(part) // 2 :]
    return first, second


def choose(asked: Sequence[Asked], max_false_answers: float) -> Thresholds:
    """All thresholds. Raises InvalidInput where a kind of question is missing."""
    inside = [question for question in asked if question.source]
    outside = [question for question in asked if not question.source]
    if not inside or not outside:
        raise InvalidInput("Two questions in scope and two out of scope are needed at least.")
    answerability = fit_answerability(asked) if asked[0].odds else Answerability()
    answer = choose_answer(outside, answerability, max_false_answers)
    per_language = {}
    for language in sorted({question.language for question in outside}):
        part = [question for question in outside if question.language == language]
        if len(part) >= 1 / max_false_answers:
            per_language[language] = choose_answer(part, answerability, max_false_answers)
    limits = Thresholds(choose_template(inside), answer, 0.0, answer_in=per_language, answerability=answerability)
    return replace(limits, clarify_margin=choose_margin(inside, limits))


def fit_answerability(asked: Sequence[Asked], steps: int = 400) -> Answerability:
    """Maximum likelihood with a light L2 penalty, over every passage that was judged."""
    pairs = [
        (odds, hit.cosine, float(q.right(hit.passage)))
        for q in asked
        for hit, odds in zip(q.hits, q.odds, strict=True)
    ]
    table = torch.tensor(pairs, dtype=torch.float64)
    features, labels = table[:, :2], table[:, 2]
    mean, spread = features.mean(0), features.std(0) + 1e-9
    scaled = (features - mean) / spread
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=steps)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        z = weights[0] + scaled @ weights[1:]
        value = torch.nn.functional.binary_cross_entropy_with_logits(z, labels) + 1e-3 * (weights[1:] ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    slope = weights[1:].detach() / spread
    intercept = float(weights[0].detach() - (slope * mean).sum())
    return Answerability(*(round(value, 4) for value in (intercept, float(slope[0]), float(slope[1]))))


def choose_answer(outside: Sequence[Asked], answerability: Answerability, max_false_answers: float) -> float:
    """The conformal threshold: just above the score that at most floor(share * (n + 1)) - 1 questions exceed."""
    tops = sorted((question.top(answerability) for question in outside), reverse=True)
    allowed = max(0, int(max_false_answers * (len(tops) + 1)) - 1)
    return round(min(NEVER, float(np.nextafter(tops[allowed], 2)) + 5e-5), 4)


def choose_template(inside: Sequence[Asked]) -> float:
    """The threshold `template`."""
    tops = sorted((q.hits[0].cosine, q.right(q.hits[0].passage)) for q in inside if q.hits)
    for i, (cosine, _) in enumerate(tops):
        wrong = [not right for _, right in tops[i:]]
        if len(wrong) >= MIN_TEMPLATES and share(wrong) <= MAX_WRONG_TEMPLATES:
            return round(cosine, 4)
    return NEVER


def choose_margin(inside: Sequence[Asked], limits: Thresholds) -> float:
    """The widest margin, to a thousandth and at most 0.1, that clarifies few enough."""
    for margin in np.arange(0.1, 0.0, -0.001):
        tried = replace(limits, clarify_margin=float(margin))
        if share(q.outcome(tried)[0] is Outcome.CLARIFY for q in inside) <= MAX_CLARIFIED:
            return round(float(margin), 4)
    return 0.0


def measure(asked: Sequence[Asked], limits: Thresholds) -> dict[str, Any]:
    """What the thresholds do to questions."""
    inside = [question.outcome(limits) for question in asked if question.source]
    outside = [question.outcome(limits) for question in asked if not question.source]
    counts = Counter(outcome for outcome, _ in inside)
    answered = {Outcome.TEMPLATE, Outcome.GENERATED}
    return {
        "in_scope": len(inside),
        "in_scope_answered": share(outcome in answered for outcome, _ in inside),
        "answered_from_the_right_entry": share(right for outcome, right in inside if outcome in answered),
        "templates_wrong": share(not right for outcome, right in inside if outcome is Outcome.TEMPLATE),
        "outcomes": {outcome.value: counts[outcome] for outcome in Outcome},
        "out_of_scope": len(outside),
        "out_of_scope_answered": share(outcome in answered for outcome, _ in outside),
    }


def share(marks: Iterable[bool]) -> float:
    """The share of true ones; 0 of none."""
    values = list(marks)
    return round(sum(values) / len(values), 4) if values else 0.0


def save(path: Path, engine: str, thresholds: Thresholds) -> None:
    """Put the thresholds of an embedder into the file, beside those of others, atomically."""
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    known[engine] = asdict(thresholds)
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    os.replace(scratch, path)


if __name__ == "__main__":
    command_line.run(main)
