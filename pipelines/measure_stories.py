"""Measure what brings articles of one story together: precision and recall over thresholds.

Every two articles of the labelled set are a pair, so that pairs of one story are as rare as in the news. First come
the cosines by themselves, then by how far the figures of two articles agree (app/domain/stories.py), last the rule
in use, on all groups and on the odd and the even ones. The rules that ship were chosen with sight of all groups, so
no figure here is one of unseen news; whoever chooses anew should look at the odd groups alone.
"""

from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from app.bootstrap import load_backbone
from app.config import ROOT
from app.domain.errors import InvalidInput
from app.domain.stories import Agreement, Facts, StoryRule, agreement, facts_of, retells
from app.ml.datasets import read_rows
from app.ml.embedder import load_embedder
from app.ml.near_duplicates import jaccard, shingles
from app.services.stories import lead, story_rule
from pipelines import command_line

GRID = [round(0.60 + 0.02 * step, 2) for step in range(20)]


@dataclass(frozen=True)
class LabelledArticle:
    """An article of the set. Articles of one story bear its name; a group holds a story and what looks like it."""

    story: str
    group: str
    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Pair:
    """Two articles, as far as the rule sees them. `group` is "" where they are of different groups."""

    same: bool
    group: str
    crosses: bool
    facts: tuple[Facts, Facts]
    cosine: float
    words: float


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "evaluation" / "stories.jsonl")
    parser.add_argument("--embedder", help="as BELLWETHER_EMBEDDER (default: the one in use)")
    arguments = parser.parse_args()
    settings = command_line.settings_of(arguments, embedder=arguments.embedder)
    articles = load_articles(arguments.data)
    backbone = load_backbone(settings, command_line.show_progress)
    try:
        embedder = load_embedder(settings.embedder, backbone, settings.threads)
        vectors = embedder.embed_passages([lead(article.title, article.text) for article in articles])
    finally:
        backbone.close()
    pairs = pairs_of(articles, vectors @ vectors.T)
    print_report(pairs, story_rule(settings.embedder))


def load_articles(path: Path) -> list[LabelledArticle]:
    """The labelled set (see data/README.md). Raises InvalidInput naming file and line."""
    articles = []
    for number, row in read_rows(path):
        try:
            story = row["story"]
            articles.append(LabelledArticle(story, story.split("-")[0], row["language"], row["title"], row["text"]))
        except (KeyError, AttributeError) as error:
            raise InvalidInput(f"{path}, line {number}: expected story, language, title and text.") from error
    return articles


def pairs_of(articles: list[LabelledArticle], cosines: object) -> list[Pair]:
    """Every two articles; `cosines` is the matrix of their cosines, (articles, articles)."""
    facts = [facts_of(lead(a.title, a.text)) for a in articles]
    pieces = [shingles(f"{a.title} {a.text}") for a in articles]
    return [
        Pair(
            a.story == b.story,
            a.group if a.group == b.group else "",
            a.language != b.language,
            (facts[i], facts[j]),
            float(cosines[i, j]),  # type: ignore[index]
            jaccard(pieces[i], pieces[j]),
        )
        for (i, a), (j, b) in combinations(enumerate(articles), 2)
    ]


def print_report(pairs: list[Pair], rule: StoryRule) -> None:
    """One JSON line a threshold, then the rule on both halves."""
    for threshold in GRID:
        print_line({"cosine": threshold}, pairs, [p for p in pairs if p.cosine >= threshold])
    for kind in (Agreement.MANY, Agreement.ONE, Agreement.OPEN, Agreement.CONFLICT):
        alike = [p for p in pairs if agreement(*p.facts) is kind]
        for threshold in GRID:
            print_line(
                {"figures": kind.value, "cosine": threshold}, alike, [p for p in alike if p.cosine >= threshold]
            )
    halves = {
        "all": pairs,
        "odd_groups": [p for p in pairs if not p.group or int(p.group) % 2],
        "even_groups": [p for p in pairs if not p.group or not int(p.group) % 2],
        "across_languages": [p for p in pairs if p.crosses],
        "hard": [p for p in pairs if p.group],
    }
    used = {key: value for key, value in asdict(rule).items() if key != "within"}
    for name, half in halves.items():
        joined = [p for p in half if retells(rule, *p.facts, p.cosine, p.words)]
        print_line({"rule": used, "pairs_of": name}, half, joined)


def print_line(head: dict[str, object], pairs: list[Pair], joined: list[Pair]) -> None:
    right, same = sum(p.same for p in joined), sum(p.same for p in pairs)
    command_line.print_json(
        {
            **head,
            "pairs": len(pairs),
            "same_story": same,
            "joined": len(joined),
            "precision": round(right / len(joined), 3) if joined else None,
            "recall": round(right / same, 3) if same else None,
        }
    )


if __name__ == "__main__":
    command_line.run(main)
