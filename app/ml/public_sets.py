"""Readers of the public data sets that the shipped classifier learned from, and their label maps.

Each reader takes the folder of one set and gives rows in our labels; origin and licence of each set are listed in
data/README.md.
"""

import ast
import csv
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from app.domain.errors import InvalidInput
from app.ml.datasets import LabelledText

TWITTER_SENTIMENT = {"0": "negative", "1": "positive", "2": "neutral"}
# The public 20-topic taxonomy onto ours. "Financials" (7) are results; "Stock commentary" (18) is opinion.
TWITTER_TOPICS = {
    "0": "analysts", "1": "macro", "2": "product", "3": "credit", "4": "earnings", "5": "earnings", "6": "markets",
    "7": "earnings", "8": "markets", "9": "other", "10": "markets", "11": "deals", "12": "regulation",
    "13": "deals",
    "14": "macro", "15": "markets", "16": "macro", "17": "management", "18": "analysts", "19": "markets",
}  # fmt: skip
_LINK = re.compile(r"https?://\S+")
_DECISION = re.compile(r"""['"]([^'"{}]*(?:'[^'"{}]+)*)['"]\s*:\s*['"](positive|negative|neutral)['"]""")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}; see data/README.md for the sets and where they come from.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield from csv.DictReader(stream)


def without_links(text: str) -> str:
    """A post without its links, HTML entities resolved, white space folded."""
    return " ".join(_LINK.sub(" ", html.unescape(text)).split())


def twitter_sentiment(folder: Path, part: str) -> list[LabelledText]:
    """`part` is train or valid."""
    rows = _rows(folder / f"sent_{part}.csv")
    return [
        LabelledText(without_links(r["text"]), TWITTER_SENTIMENT[r["label"]], style="post")
        for r in rows
        if r["text"].strip()
    ]


def twitter_topics(folder: Path, part: str) -> list[LabelledText]:
    """Rows with a topic and no sentiment."""
    rows = _rows(folder / f"topic_{part}.csv")
    return [
        LabelledText(without_links(r["text"]), "", TWITTER_TOPICS[r["label"]], style="post")
        for r in rows
        if r["text"].strip()
    ]


def sentfin(folder: Path) -> list[LabelledText]:
    """Headlines whose entities agree. The 13 rows that are no Python literal are read by a pattern."""
    result = []
    for row in _rows(folder / "SEntFiN.csv"):
        labels = set(_decisions(row["Decisions"]).values())
        if len(labels) == 1:
            result.append(LabelledText(" ".join(row["Title"].split()), labels.pop(), style="headline"))
    return result


def sentfin_entities(folder: Path, disagreeing: bool) -> list[LabelledText]:
    """One row an entity of the headlines that name several: those whose labels differ, or those that agree."""
    result = []
    for row in _rows(folder / "SEntFiN.csv"):
        decisions = _decisions(row["Decisions"])
        if len(decisions) > 1 and (len(set(decisions.values())) > 1) == disagreeing:
            title = " ".join(row["Title"].split())
            result += [LabelledText(title, label, "", "headline", name) for name, label in decisions.items()]
    return result


def _decisions(text: str) -> dict[str, str]:
    try:
        return dict(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return dict(_DECISION.findall(text))


def finentity(folder: Path) -> list[LabelledText]:
    """Sentences whose entities agree, and one row an entity of those where they do not."""
    path = folder / "FinEntity.json"
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}; see data/README.md.")
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for item in json.loads(path.read_text("utf-8")):
        text = " ".join(item["content"].split())
        texts[text] |= {a["value"].strip(): a["label"].lower() for a in item["annotations"]}
    rows = []
    for text, labels in texts.items():
        agreed = set(labels.values())
        if len(agreed) == 1:
            rows.append(LabelledText(text, agreed.pop(), style="report"))
        else:
            rows += [LabelledText(text, label, "", "report", name) for name, label in labels.items()]
    return rows
