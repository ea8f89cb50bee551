"""Classify texts: a text a line, or JSON Lines with "text"; prints one JSON line for each, in order.

With --entity NAME, or "entity" in a row, the sentiment is the one towards that company.
"""

import json
from collections.abc import Iterator
from typing import Any

from app.bootstrap import build_classifier, load_backbone
from app.domain.errors import InvalidInput
from app.domain.news import STYLES, Classification, Excerpt
from pipelines import command_line

BATCH = 256


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--input", required=True, metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--entity", default="", metavar="NAME", help="company, for rows that name none themselves")
    arguments = parser.parse_args()
    excerpts = list(read_excerpts(arguments.input, arguments.entity.strip()))
    if not excerpts:
        raise InvalidInput(f"{arguments.input} holds no text.")
    settings = command_line.settings_of(arguments)
    classifier = build_classifier(
        settings, load_backbone(settings, command_line.show_progress), settings.sentiment_adapter
    )
    for start in range(0, len(excerpts), BATCH):
        batch = excerpts[start : start + BATCH]
        for excerpt, result in zip(batch, classifier.classify(batch), strict=True):
            command_line.print_json(row_of(excerpt, result))


def row_of(excerpt: Excerpt, result: Classification) -> dict[str, Any]:
    """What is printed of a result; "entity" only where one was given."""
    row: dict[str, Any] = {
        "text": excerpt.text,
        "sentiment": result.sentiment.value,
        "scores": rounded(dict(result.scores)),
        "topic": result.topic,
        "topic_scores": rounded(dict(result.topic_scores)),
        "topics": list(result.topics),
    }
    return row | {"entity": excerpt.entity} if excerpt.entity else row


def rounded(scores: dict[str, float]) -> dict[str, float]:
    """Probabilities to four places."""
    return {label: round(score, 4) for label, score in scores.items()}


def read_excerpts(source: str, entity: str = "") -> Iterator[Excerpt]:
    """Lines that begin with { are JSON objects with "text" and, optional, "entity" and "style"; any other line is
    a text. Empty lines are left out. `entity` is that of rows without one."""
    for where, line in command_line.read_lines(source):
        if not line.strip():
            continue
        if line.lstrip().startswith("{"):
            yield _from_json(where, line, entity)
        else:
            yield Excerpt(line.strip(), entity)


def _from_json(where: str, line: str, entity: str) -> Excerpt:
    try:
        row = json.loads(line)
        text = row["text"]
    except (json.JSONDecodeError, KeyError) as error:
        raise InvalidInput(f'{where}: not a JSON object with "text".') from error
    own, style = row.get("entity") or "", row.get("style") or ""
    for name, value in (("text", text), ("entity", own), ("style", style)):
        if not isinstance(value, str):
            raise InvalidInput(f'{where}: "{name}" is not a string.')
    if style not in {"", *STYLES}:
        raise InvalidInput(f"{where}: the style {style!r} is not one of {', '.join(STYLES)}.")
    return Excerpt(text, own.strip() or entity, style)


if __name__ == "__main__":
    command_line.run(main)
