"""Compare ways to explain a sentiment: faithfulness on labelled or plain texts, and ms a text; prints Markdown.

Words are deleted in the order of their attributions (DeYoung et al. 2020, arXiv:1911.03429). Comprehensiveness:
how far the probability of the sentiment falls without the first words (higher is better). Sufficiency: how far it
falls with nothing but them (lower is better). Both are means over the shares in SHARES (area over the curve).
Random orders show what deleting words does by itself. Leave-one-out is judged by its own operation, deletion.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from app.bootstrap import build_classifier, load_backbone
from app.domain.news import Excerpt
from app.ml.datasets import read_rows
from app.ml.executor import Priority
from app.ml.explain import METHODS, Explanation, Span, explain
from app.ml.sentiment import SentimentClassifier
from pipelines import command_line

SHARES = (0.05, 0.1, 0.2, 0.5)
RANDOM_ORDERS = 3
COLUMNS = ("method", "comprehensiveness", "sufficiency", "ms a text (median)")


@dataclass(frozen=True)
class Faithfulness:
    """Means over texts, in probability."""

    comprehensiveness: float
    sufficiency: float


def main() -> None:
    parser = command_line.parser((__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help='CSV or JSON Lines with "text"')
    parser.add_argument("--limit", type=int, default=100, help="texts, drawn by seed (default 100)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    texts = [text for _, row in read_rows(arguments.data) if (text := str(row.get("text") or "").strip())]
    texts = rng.sample(texts, min(arguments.limit, len(texts)))
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = build_classifier(settings, backbone, settings.sentiment_adapter)
    print(f"{len(texts)} texts of {arguments.data.name}, {settings.threads} threads\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---:|" * (len(COLUMNS) - 1))
    explanations: list[Explanation] = []
    for method in arguments.methods:
        explanations, seconds = explain_all(classifier, texts, method)
        print(
            table_row(method, faithfulness(classifier, explanations), f"{1000 * median(seconds):.0f}"), flush=True
        )
    shuffled = [at_random(explanation, rng) for explanation in explanations for _ in range(RANDOM_ORDERS)]
    print(table_row("random order", faithfulness(classifier, shuffled), ""))


def table_row(name: str, found: Faithfulness, cost: str) -> str:
    """One line of the table."""
    return f"| {name} | {found.comprehensiveness:.3f} | {found.sufficiency:.3f} | {cost} |"


def explain_all(
    classifier: SentimentClassifier, texts: Sequence[str], method: str
) -> tuple[list[Explanation], list[float]]:
    """Explanations, and the seconds that each took; the first text is explained once before, to warm up."""
    explain(classifier, texts[0], method=method, priority=Priority.SCHEDULED)
    explanations, seconds = [], []
    for done, text in enumerate(texts, 1):
        started = time.perf_counter()
        explanations.append(explain(classifier, text, method=method, priority=Priority.SCHEDULED))
        seconds.append(time.perf_counter() - started)
        command_line.show_progress(f"Explaining by {method}", done / len(texts))
    return explanations, seconds


def at_random(explanation: Explanation, rng: random.Random) -> Explanation:
    """The same words with scores drawn by chance."""
    tokens = tuple(Span(span.text, span.start, span.end, rng.random()) for span in explanation.tokens)
    return Explanation(explanation.text, explanation.sentiment, explanation.probability, "random", tokens)


def faithfulness(classifier: SentimentClassifier, explanations: Sequence[Explanation]) -> Faithfulness:
    """How much the words that come first matter to the classifier, all texts in one call."""
    asked, texts = [], []
    for explanation in (e for e in explanations if e.tokens):
        variants = [explanation.text, *without_first(explanation), *with_only_first(explanation)]
        asked.append(explanation.sentiment)
        texts += [Excerpt(text) for text in variants]
    results = classifier.classify(texts)
    width = 1 + 2 * len(SHARES)
    falls, losses = [], []
    for i, label in enumerate(asked):
        p = [result.scores[label] for result in results[i * width : (i + 1) * width]]
        falls.append(p[0] - fmean(p[1 : 1 + len(SHARES)]))
        losses.append(p[0] - fmean(p[1 + len(SHARES) :]))
    return Faithfulness(fmean(falls), fmean(losses))


def first_words(explanation: Explanation, share: float) -> list[Span]:
    """The share of words with the highest scores, one at least."""
    ranked = sorted(explanation.tokens, key=lambda span: -span.score)
    return ranked[: max(1, round(share * len(ranked)))]


def without_first(explanation: Explanation) -> list[str]:
    """The text without the first words, for each share."""
    end = explanation.tokens[-1].end
    return [
        _kept(explanation, set(explanation.tokens) - set(first_words(explanation, share)), end) for share in SHARES
    ]


def with_only_first(explanation: Explanation) -> list[str]:
    """Only the first words, in the order of the text, for each share."""
    end = explanation.tokens[-1].end
    return [_kept(explanation, set(first_words(explanation, share)), end) for share in SHARES]


def _kept(explanation: Explanation, kept: set[Span], end: int) -> str:
    """The text up to `end`, with the words outside `kept` cut out and the space between words left."""
    pieces, at = [], 0
    for span in explanation.tokens:
        pieces.append(explanation.text[at : span.start])
        if span in kept:
            pieces.append(span.text)
        at = span.end
    return "".join(pieces) + explanation.text[at:end]


if __name__ == "__main__":
    command_line.run(main)
