"""What to do with a question, given what was found for it and how well it answers."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.domain.conversations import Need, Outcome, Passage
from app.domain.errors import ConfigurationError
from app.storage.knowledge_index import Hit

LANGUAGE_FOLDERS = ("en", "zh")
THRESHOLDS = "thresholds.json"  # beside the judge's weights, one object an embedder


@dataclass(frozen=True)
class Answerability:
    """Logistic regression: probability that a passage answers, from the judge's log-odds and the cosine."""

    intercept: float = 0.0
    odds: float = 1.0
    cosine: float = 0.0

    def probability(self, log_odds: float, cosine: float) -> float:
        """In (0, 1)."""
        z = self.intercept + self.odds * log_odds + self.cosine * cosine
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))


@dataclass(frozen=True)
class Thresholds:
    """What separates the outcomes; calibrated by pipelines.calibrate_answers for embedder and judge together.

    `template` is a cosine from which on the approved answer goes out unjudged. `answer` and `clarify_margin`
    are on the scale of a candidate's score: a probability where there is a judge, else a cosine. `answer_in`
    holds the languages whose `answer` differs. From `whole` on, a curated entry's approved answer goes out whole;
    below it a reply is composed. `need` is the probability from which on a need for a person counts.
    """

    template: float
    answer: float
    clarify_margin: float
    answer_in: Mapping[str, float] = field(default_factory=dict)
    whole: float = 0.0
    need: float = 0.5
    answerability: Answerability = Answerability()

    def answer_for(self, language: str) -> float:
        """The score below which nothing is said."""
        return self.answer_in.get(language, self.answer)


def load_thresholds(path: Path) -> dict[str, Thresholds]:
    """What pipelines.calibrate_answers saved, by embedder; empty without a file. Raises ConfigurationError."""
    if not path.is_file():
        return {}
    try:
        saved = json.loads(path.read_text("utf-8"))
        return {
            name: Thresholds(**{**values, "answerability": Answerability(**values["answerability"])})
            for name, values in saved.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{path} is damaged ({error}): run pipelines.calibrate_answers again.") from error


@dataclass(frozen=True)
class Candidate:
    """A passage that was found, and how well it answers: `score` as in Thresholds."""

    passage: Passage
    score: float


def candidates_of(hits: Sequence[Hit], odds: Sequence[float], answerability: Answerability) -> list[Candidate]:
    """What was found, scored by the judge's log-odds, or by the cosine where there is no judge (no `odds`)."""
    if not odds:
        return [Candidate(hit.passage, hit.cosine) for hit in hits]
    scores = [answerability.probability(value, hit.cosine) for hit, value in zip(hits, odds, strict=True)]
    return [Candidate(replace(hit.passage, score=s), s) for hit, s in zip(hits, scores, strict=True)]


@dataclass(frozen=True)
class Decision:
    """What to do with a question, and with which passages."""

    outcome: Outcome
    passages: tuple[Passage, ...] = ()
    options: tuple[str, ...] = ()
    need: Need = Need.ANSWER  # HANDOFF: why


def template_of(hits: Sequence[Hit], language: str, thresholds: Thresholds, exact: bool = False) -> Decision | None:
    """The approved answer of a question that is close to a curated one, in the customer's language; else None.

    An `exact` question, that of the top entry word for word, as when it was offered to choose from, gets its
    template at any cosine.
    """
    if not hits or not (exact or hits[0].cosine >= thresholds.template):
        return None
    entry = _entry(hits[0].passage)
    own = (h.passage for h in hits if h.passage.question and h.passage.language == language)
    match = next((passage for passage in own if _entry(passage) == entry), None)
    return Decision(Outcome.TEMPLATE, (match,)) if match else None


def decide(
    candidates: Sequence[Candidate], language: str, thresholds: Thresholds, follow_up: bool = False
) -> Decision:
    """Choose the outcome from the candidates. Pure.

    The approved answer of the best entry goes out whole: it holds the detail that was asked for, where a composed
    one may pick the wrong one. A reply is composed from prose and from entries in the other language.
    """
    limit = thresholds.answer_for(language)
    ranked = sorted(candidates, key=lambda c: -c.score)
    good = [c for c in ranked if c.score >= limit]
    if not good:
        return Decision(Outcome.HANDOFF)
    top = good[0]
    own = [c for c in good if c.passage.question and c.passage.language == language]
    rivals = len(own) > 1 and own[0] is top and top.score - own[1].score < thresholds.clarify_margin
    if rivals and not follow_up:
        options = tuple(c.passage.question for c in own[:2])
        return Decision(Outcome.CLARIFY, tuple(c.passage for c in own[:2]), options)
    if own and own[0] is top and top.score >= thresholds.whole:
        return Decision(Outcome.TEMPLATE, (top.passage,))
    return Decision(Outcome.GENERATED, tuple(c.passage for c in good))


def prefer_language(hits: Sequence[Hit], language: str) -> list[Hit]:
    """The hits in their order, each curated entry once: in the customer's language if that was found."""
    kept: dict[str, Hit] = {}
    for hit in hits:
        known = kept.setdefault(_entry(hit.passage), hit)
        if hit.passage.language == language != known.passage.language:
            kept[_entry(hit.passage)] = hit
    return list(kept.values())


def _entry(passage: Passage) -> str:
    """What a curated entry has in common with its translations, and with nothing else.

    Tables that are kept once per language lie in folders named after it: en/cards.csv#3 and zh/cards.csv#3.
    """
    folder, _, rest = passage.source.partition("/")
    return rest if passage.question and folder in LANGUAGE_FOLDERS else f"{passage.source}\n{passage.text}"
