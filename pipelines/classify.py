"""Classify texts: a text a line, or JSON Lines with "text"; prints one JSON line for each, in order."""

import json
from collections.abc import Iterator

from app.bootstrap import build_classifier, load_backbone
from app.domain.errors import InvalidInput
from pipelines import command_line

BATCH = 256


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--input", required=True, metavar="FILE", help="a file, or - for standard input")
    arguments = parser.parse_args()
    texts = list(read_texts(arguments.input))
    if not texts:
        raise InvalidInput(f"{arguments.input} holds no text.")
    settings = command_line.settings_of(arguments)
    classifier = build_classifier(
        settings, load_backbone(settings, command_line.show_progress), settings.sentiment_adapter
    )
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        for text, result in zip(batch, classifier.classify(batch), strict=True):
            command_line.print_json(
                {
                    "text": text,
                    "sentiment": result.sentiment.value,
                    "scores": rounded(dict(result.scores)),
                    "topic": result.topic,
                    "topic_scores": rounded(dict(result.topic_scores)),
                }
            )


def rounded(scores: dict[str, float]) -> dict[str, float]:
    """Probabilities to four places."""
    return {label: round(score, 4) for label, score in scores.items()}


def read_texts(source: str) -> Iterator[str]:
    """Lines that begin with { are JSON objects with "text"; any other line is a text. Empty lines are left out."""
    for where, line in command_line.read_lines(source):
        if not line.strip():
            continue
        if not line.lstrip().startswith("{"):
            yield line.strip()
            continue
        try:
            text = json.loads(line)["text"]
        except (json.JSONDecodeError, KeyError) as error:
            raise InvalidInput(f'{where}: not a JSON object with "text".') from error
        if not isinstance(text, str):
            raise InvalidInput(f'{where}: "text" is not a string.')
        yield text


if __name__ == "__main__":
    command_line.run(main)
