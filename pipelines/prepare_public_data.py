"""Turn the public data sets into training, dev and test files of the classifier, without overlaps.

No text of training says what one of a test or dev split says, links left out, nor nearly (MinHash, Jaccard 0.8).
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from app.domain.errors import InvalidInput
from app.ml.datasets import LabelledText, split, without_duplicates, without_near_duplicates
from app.ml.public_sets import finentity, sentfin, sentfin_entities, twitter_sentiment, twitter_topics
from pipelines import command_line


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--datasets", type=Path, required=True, help="folder that holds the public sets")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--limit", nargs="*", default=[], metavar="SET=N", help="use at most N training rows of a set"
    )
    parser.add_argument("--seed", type=int, default=17)
    arguments = parser.parse_args()
    limits = read_limits(arguments.limit)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, rows in build_splits(arguments.datasets, arguments.seed).items():
        rows = rows[: limits.get(name.removeprefix("train_"))]  # the splits are shuffled already
        write_csv(arguments.output / f"{name}.csv", rows)
        command_line.print_json({"file": f"{name}.csv", "rows": len(rows)})


def read_limits(pairs: Sequence[str]) -> dict[str, int]:
    """'twitter=3000' and so on as numbers. Raises InvalidInput."""
    limits = {}
    for pair in pairs:
        name, _, count = pair.partition("=")
        if not count.isdigit():
            raise InvalidInput(f"--limit {pair!r}: expected SET=N, such as twitter=3000.")
        limits[name] = int(count)
    return limits


def build_splits(datasets: Path, seed: int) -> dict[str, list[LabelledText]]:
    """Named splits; the test splits are made first and everything in them is kept out of the rest."""
    tweets = datasets / "twitter_financial_news_sentiment"
    topics = datasets / "twitter_financial_news_topic"
    twitter_train, twitter_valid = twitter_sentiment(tweets, "train"), twitter_sentiment(tweets, "valid")
    topic_train, topic_valid = twitter_topics(topics, "train"), twitter_topics(topics, "valid")
    headlines = without_duplicates(sentfin(datasets / "sentfin_1_0"))
    sentfin_rest, sentfin_test = split(headlines, 0.13, seed)
    aspect = sentfin_entities(datasets / "sentfin_1_0", disagreeing=True)
    aspect_titles = split(sorted({row.text for row in aspect}), 0.2, seed)[1]
    aspect_test = [row for row in aspect if row.text in set(aspect_titles)]
    tests = {
        "test_twitter": without_duplicates(twitter_valid, seen=twitter_train),
        "test_topics": without_duplicates(topic_valid, seen=topic_train),
        "test_sentfin": sentfin_test,
        "test_aspect": aspect_test,
    }
    held_out = [row for rows in tests.values() for row in rows] + twitter_valid + topic_valid
    agreeing = sentfin_entities(datasets / "sentfin_1_0", disagreeing=False)
    raw = {
        "twitter": twitter_train,
        "sentfin": sentfin_rest,
        "finentity": finentity(datasets / "finentity"),
        "topics": topic_train,
        "aspect": [*aspect, *split(agreeing, 0.15, seed)[1]],
    }
    sets, dev = {}, []
    for name, rows in raw.items():
        clean = without_near_duplicates(without_duplicates(rows, seen=held_out), held_out)
        rest, part = split(clean, 0.03, seed)
        sets[f"train_{name}"] = without_near_duplicates(without_duplicates(rest, seen=part), part)
        dev += part
    return {**sets, "dev": dev, **tests}


def write_csv(path: Path, rows: Sequence[LabelledText]) -> None:
    """Write rows as text,label,topic,style,entity."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["text", "label", "topic", "style", "entity"])
        writer.writerows([row.text, row.label, row.topic, row.style, row.entity] for row in rows)


if __name__ == "__main__":
    command_line.run(main)
