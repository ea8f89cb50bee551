"""Detect spikes in a file of classified articles, or score a series of numbers.

    python -m pipelines.detect_spikes --articles FILE   # JSONL or CSV: published_at, topic, sentiment
    python -m pipelines.detect_spikes --series FILE     # CSV: timestamp, value

Articles may also have: id, entity (a name; in JSONL also a list), probability of the sentiment, seen_at, copies
(articles of the same story). They give one JSON line for each alert. A series, in the order of time and at any
rate, gives timestamp, value and an anomaly score in [0, 1], which depends on no later row; 0.5 is a good alarm.
`-` reads standard input. Times without a zone are UTC.
"""

import argparse
import csv
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, TextIO

from app.domain.alerts import topic_and_entity
from app.domain.anomaly import SeriesScorer
from app.domain.errors import AppError, InvalidInput
from app.domain.news import Sentiment
from app.domain.spikes import ENTITY, Mention, Spike, SpikeRule, detect

ARTICLE_FIELDS = ("published_at", "topic", "sentiment")
SERIES_FIELDS = ("timestamp", "value")
Row = tuple[str, Mapping[str, Any]]  # place ("file, line 3") and fields


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--articles", metavar="FILE", help="JSONL or CSV with published_at, topic, sentiment")
    what.add_argument("--series", metavar="FILE", help="CSV with timestamp, value")
    options = parser.parse_args(arguments)
    try:
        if options.articles:
            print_alerts(options.articles)
        else:
            print_scores(options.series)
        sys.stdout.flush()
    except AppError as error:
        print(f"detect_spikes: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def print_alerts(path: str) -> None:
    """Read a whole file of articles and print its alerts in the order of detection."""
    for spike in detect(read_mentions(path), SpikeRule()):
        print(json.dumps(_alert(spike), ensure_ascii=False))


def read_mentions(path: str) -> list[Mention]:
    """The articles of a file, one mention by topic and one more for each company. Raises InvalidInput."""
    with _open(path) as (name, lines):
        return [m for number, (place, row) in enumerate(_rows(name, lines)) for m in _mentions(place, row, number)]


def print_scores(path: str) -> None:
    """Score a series row by row, as it comes in."""
    with _open(path) as (name, lines):
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([*SERIES_FIELDS, "anomaly_score"])
        scorer = SeriesScorer()
        for place, row in _csv_rows(name, lines, SERIES_FIELDS):
            score = scorer.score(_value(place, row), time_of(place, row["timestamp"]))
            writer.writerow([row["timestamp"], row["value"], f"{score:.6f}"])


@contextmanager
def _open(path: str) -> Iterator[tuple[str, Iterator[str]]]:
    """The name to call a file by, and its lines. Raises InvalidInput when it cannot be read or is empty."""
    name = "standard input" if path == "-" else path
    try:
        with _text(path) as file:
            first = next(file, None)
            if first is None:
                raise InvalidInput(f"{name} is empty.")
            yield name, chain([first], file)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}.") from error


@contextmanager
def _text(path: str) -> Iterator[TextIO]:
    source: Any = sys.stdin.fileno() if path == "-" else path
    with open(source, encoding="utf-8-sig", newline="", closefd=path != "-") as file:
        yield file


def _rows(name: str, lines: Iterator[str]) -> Iterator[Row]:
    """Rows of JSONL if the first line that is not blank begins an object, else of CSV."""
    blank: list[str] = []
    for line in lines:
        if line.strip():
            read = _json_rows if line.lstrip().startswith("{") else _csv_rows
            return read(name, chain(blank, [line], lines), ARTICLE_FIELDS)
        blank.append(line)
    raise InvalidInput(f"{name} is empty.")


def _json_rows(name: str, lines: Iterable[str], fields: tuple[str, ...]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        place = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidInput(f"{place}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise InvalidInput(f"{place}: not a JSON object.")
        _require(place, fields, row)
        yield place, row


def _csv_rows(name: str, lines: Iterable[str], fields: tuple[str, ...]) -> Iterator[Row]:
    reader = csv.DictReader(lines, skipinitialspace=True)
    try:
        reader.fieldnames = [column.strip() for column in reader.fieldnames or ()]
        _require(f"{name}, line {reader.line_num}", fields, reader.fieldnames)
        for row in reader:
            place = f"{name}, line {reader.line_num}"
            if None in row or None in row.values():
                raise InvalidInput(f"{place}: the number of columns is not that of the header.")
            yield place, row
    except csv.Error as error:
        raise InvalidInput(f"{name}, line {reader.line_num}: not CSV ({error}).") from error


def _require(place: str, fields: tuple[str, ...], present: Iterable[str]) -> None:
    if missing := [field for field in fields if field not in present]:
        raise InvalidInput(f"{place}: {', '.join(missing)} missing; needed are {', '.join(fields)}.")


def _mentions(place: str, row: Mapping[str, Any], number: int) -> Iterator[Mention]:
    sentiment, topic = str(row["sentiment"]).strip().lower(), str(row["topic"] or "").strip()
    if sentiment not in set(Sentiment):
        raise InvalidInput(f"{place}: the sentiment {row['sentiment']!r} is none of {', '.join(Sentiment)}.")
    if not topic:
        raise InvalidInput(f"{place}: the topic is empty.")
    probability, copies = (_value(place, row, name) if row.get(name) else 1.0 for name in ("probability", "copies"))
    if not 0 < probability <= 1 or copies < 1:
        raise InvalidInput(f"{place}: a probability lies between 0 and 1, and a story has at least one article.")
    mention = Mention(
        time_of(place, row["published_at"]),
        topic,
        sentiment == Sentiment.NEGATIVE,
        int(_value(place, row, "id")) if row.get("id") else number,
        probability=probability,
        seen_at=time_of(place, row["seen_at"]) if row.get("seen_at") else None,
        copies=int(copies),
    )
    yield mention
    entities = row.get("entity") or []
    for entity in [entities] if isinstance(entities, str) else entities:
        yield replace(mention, topic=f"{ENTITY}{str(entity).strip()}")


def _value(place: str, row: Mapping[str, Any], name: str = "value") -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{place}: the {name} {row[name]!r} is not a number.") from error
    if not math.isfinite(value):
        raise InvalidInput(f"{place}: the {name} {row[name]!r} is not finite.")
    return value


def time_of(place: str, text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text).strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{place}: {text!r} is not a time such as 2026-09-25T17:00:00Z.") from error


def _alert(spike: Spike) -> dict[str, object]:
    topic, entity = topic_and_entity(spike.topic)
    return {
        **({"entity": entity} if entity else {"topic": topic}),
        "started_at": spike.started_at.isoformat(),
        "detected_at": spike.detected_at.isoformat(),
        "severity": spike.severity,
        "negatives": spike.negatives,
        "expected": round(spike.expected, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
