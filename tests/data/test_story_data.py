"""The labelled stories: enough of each kind, and no article twice."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

from app.config import ROOT
from app.storage.watchlist import read_watchlist
from pipelines.measure_stories import load_articles

PATH = ROOT / "data" / "evaluation" / "stories.jsonl"


def test_stories_have_pairs_of_every_kind() -> None:
    articles = load_articles(PATH)
    pairs = Counter(
        (a.story == b.story, a.language == b.language) for a, b in combinations(articles, 2) if a.group == b.group
    )
    assert pairs[True, False] >= 30, "one story across languages"
    assert pairs[True, True] >= 30, "rewrites"
    assert pairs[False, True] + pairs[False, False] >= 120, "stories that look alike"


def test_no_article_is_there_twice() -> None:
    articles = load_articles(PATH)
    assert len({article.text for article in articles}) == len(articles)
    assert all(article.title and article.text and article.language in {"en", "zh"} for article in articles)


def test_every_group_has_one_story_told_more_than_once() -> None:
    told: dict[str, Counter[str]] = {}
    for article in load_articles(PATH):
        told.setdefault(article.group, Counter())[article.story] += 1
    assert all(sum(count > 1 for count in stories.values()) == 1 for stories in told.values())


def test_rows_say_what_makes_a_different_story_hard() -> None:
    kinds = {"", "same company, other event", "same event, other company", "same template, other figures"}
    rows = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
    assert {row["hard"] for row in rows} == kinds
    assert all(bool(row["hard"]) == ("-" in row["story"]) for row in rows)


def test_sample_watchlist_names_companies_of_the_sample_news() -> None:
    folder = Path(ROOT / "data" / "sample_news")
    companies = dict(read_watchlist((folder / "watchlist.csv").read_bytes(), "watchlist.csv"))
    news = " ".join(path.read_text("utf-8") for path in folder.glob("*") if path.suffix in {".xml", ".json"})
    names = [*companies, *(name.text for names in companies.values() for name in names)]
    assert [name for name in names if name not in news] == []
