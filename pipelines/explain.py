"""Explain sentiments: for each text, how far each word pushed towards the sentiment given, as JSON Lines.

Scores are in log-odds of the sentiment: above 0 towards it, below 0 away from it.
"""

from app.bootstrap import build_classifier, load_backbone
from app.domain.errors import InvalidInput
from app.ml.executor import Priority
from app.ml.explain import DEFAULT_METHOD, METHODS, Explanation, explain
from pipelines import command_line
from pipelines.classify import read_excerpts


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument(
        "--input", required=True, metavar="FILE", help='texts, one a line or JSON Lines with "text"; - for stdin'
    )
    parser.add_argument("--entity", default="", metavar="NAME", help="explain the sentiment towards this company")
    parser.add_argument("--method", choices=METHODS, default=DEFAULT_METHOD)
    arguments = parser.parse_args()
    excerpts = list(read_excerpts(arguments.input, arguments.entity.strip()))
    if not excerpts:
        raise InvalidInput(f"{arguments.input} holds no text.")
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = build_classifier(settings, backbone, settings.sentiment_adapter)
    for excerpt in excerpts:
        found = explain(classifier, excerpt, method=arguments.method, priority=Priority.SCHEDULED)
        command_line.print_json(as_row(found))


def as_row(explanation: Explanation) -> dict[str, object]:
    """An explanation as it is printed."""
    words = [
        {"text": span.text, "start": span.start, "end": span.end, "score": round(span.score, 4)}
        for span in explanation.tokens
    ]
    return {"text": explanation.text, "sentiment": explanation.sentiment.value, "words": words}


if __name__ == "__main__":
    command_line.run(main)
