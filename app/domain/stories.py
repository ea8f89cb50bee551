"""When two articles tell the same event: what they mean, the words they use, and above all the figures they state.

Embeddings know what an article is about and are blind to which one of many alike events it tells: "recalls 212,000
cars" and "recalls 58,000 vans" lie closer together than an event and its translation do. The figures decide:
retellings repeat the figures of the lead, in any language, and another event has others. Thresholds: measured by
pipelines.measure_stories.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.domain.figures import figures_in

_YEAR = re.compile(r"(?:19|20)\d\d")
_SHARED = 0.6  # of the lighter text's figures, by weight, that the other must state too
_ONE, _MANY = 2.0, 4.0  # weight of one figure that is rarely shared by chance, and of two


class Agreement(StrEnum):
    """What the figures of two texts say about each other."""

    MANY = "many"  # they share several figures that are rarely shared by chance
    ONE = "one"  # they share one
    OPEN = "open"  # no figures to compare, or too common ones
    CONFLICT = "conflict"  # they state different figures


@dataclass(frozen=True)
class Facts:
    """What of a text decides whether it tells the same event as another."""

    figures: frozenset[str]
    companies: frozenset[int] = frozenset()  # on the watchlist


@dataclass(frozen=True)
class StoryRule:
    """From which similarity on an article joins a story.

    The first three are cosines of the embedder, by how far the figures agree (Agreement); above 1, never. `words`
    is a Jaccard similarity of shingles.
    """

    many_figures: float = 1.01
    one_figure: float = 1.01
    no_figures: float = 1.01
    words: float = 0.4
    within: timedelta = timedelta(hours=72)  # of the story's beginning

    @property
    def least(self) -> float:
        """The smallest cosine that can bring two articles together; above 1 where none can."""
        return min(self.many_figures, self.one_figure, self.no_figures)


def facts_of(lead: str, companies: Collection[int] = ()) -> Facts:
    """The facts of an article's lead."""
    return Facts(frozenset(figures_in(lead)), frozenset(companies))


def agreement(one: Facts, other: Facts) -> Agreement:
    """Compare the figures of two texts, each weighed by how seldom it is shared by chance."""
    lighter = min(_weight(one.figures), _weight(other.figures))
    if not lighter:
        return Agreement.OPEN
    shared = _weight(one.figures & other.figures)
    if shared < _SHARED * lighter:
        return Agreement.CONFLICT
    return Agreement.MANY if shared >= _MANY else Agreement.ONE if shared >= _ONE else Agreement.OPEN


def retells(rule: StoryRule, one: Facts, other: Facts, cosine: float, words: float) -> bool:
    """Whether two articles tell the same event, by cosine and Jaccard similarity; 0 where one is not known."""
    figures = agreement(one, other)
    apart = one.companies and other.companies and not one.companies & other.companies
    if figures is Agreement.CONFLICT or apart:
        return False
    least = {
        Agreement.MANY: rule.many_figures,
        Agreement.ONE: rule.one_figure,
        Agreement.OPEN: rule.no_figures,
    }
    return words >= rule.words or cosine >= least[figures]


def _weight(figures: Collection[str]) -> float:
    return sum(map(_rarity, figures))


def _rarity(figure: str) -> float:
    """Small whole numbers are days, hours and places in a list; years are in every other text."""
    if _YEAR.fullmatch(figure):
        return 0.5
    return 1.0 if ":" in figure or (figure.isdigit() and int(figure) <= 31) else 2.0
