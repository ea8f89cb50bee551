"""What to do with a question, given what was retrieved for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.conversations import Outcome, Passage
from app.storage.knowledge_index import Hit

LANGUAGE_FOLDERS = ("en", "zh")


@dataclass(frozen=True)
class Thresholds:
    """Cosines that separate the outcomes; they belong to an embedder (see pipelines.calibrate_answers)."""

    template: float
    answer: float
    clarify_margin: float


@dataclass(frozen=True)
class Decision:
    """What to do with a question, and with which passages."""

    outcome: Outcome
    passages: tuple[Passage, ...] = ()
    options: tuple[str, ...] = ()
    wants_person: bool = False  # HANDOFF: the customer asked for it


def decide(
    hits: Sequence[Hit], language: str, thresholds: Thresholds, follow_up: bool = False, exact: bool = False
) -> Decision:
    """Choose the outcome from what was retrieved, best first. Pure.

    A template must be in the customer's language. It serves follow-ups too: the whole approved answer holds the
    detail that was asked for, where a composed one may pick the wrong one. An `exact` question, that of the top
    entry word for word, as when it was offered to choose from, gets its template at any cosine.
    """
    if not hits or (hits[0].cosine < thresholds.answer and not exact):
        return Decision(Outcome.HANDOFF)
    top = hits[0]
    own = [h for h in hits if h.passage.language == language and h.passage.question]
    if exact or top.cosine >= thresholds.template:
        for hit in own:
            if _entry(hit.passage) == _entry(top.passage):
                return Decision(Outcome.TEMPLATE, (hit.passage,))
    if (
        len(own) > 1
        and not follow_up
        and own[0] is top
        and top.cosine < thresholds.template
        and abs(top.cosine - own[1].cosine) < thresholds.clarify_margin  # words count in the order, too
    ):
        options = tuple(h.passage.question for h in own[:2])
        return Decision(Outcome.CLARIFY, tuple(h.passage for h in own[:2]), options)
    return Decision(Outcome.GENERATED, tuple(h.passage for h in hits))


def prefer_language(passages: Sequence[Passage], language: str) -> tuple[Passage, ...]:
    """The passages in their order, each curated entry once: in the customer's language if that was found."""
    kept: dict[str, Passage] = {}
    for passage in passages:
        known = kept.setdefault(_entry(passage), passage)
        if passage.language == language != known.language:
            kept[_entry(passage)] = passage
    return tuple(kept.values())


def _entry(passage: Passage) -> str:
    """What a curated entry has in common with its translations, and with nothing else.

    Tables that are kept once per language lie in folders named after it: en/cards.csv#3 and zh/cards.csv#3.
    """
    folder, _, rest = passage.source.partition("/")
    return rest if passage.question and folder in LANGUAGE_FOLDERS else f"{passage.source}\n{passage.text}"
