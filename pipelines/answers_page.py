"""One self-contained page to read an evaluation by: every question, its reply, and what was expected."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from app.domain.conversations import Passage, Role
from app.ml.answer_metrics import Judged

SPEAKERS = {Role.CUSTOMER: "Customer", Role.ASSISTANT: "Assistant"}
RIGHT = "no fault"
TEMPLATE = Path(__file__).with_name("answers_page.html")


def write_page(path: Path, title: str, judged: Sequence[Judged], report: dict[str, Any]) -> None:
    """Write the page, in UTF-8; it names no other host and no other file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(title, judged, report), "utf-8")


def page(title: str, judged: Sequence[Judged], report: dict[str, Any]) -> str:
    """The page as HTML."""
    parts = {
        "title": escape(title),
        "count": str(len(judged)),
        "summary": _summary(report),
        "filters": _filters(judged),
        "rows": "\n".join(_row(number, row) for number, row in enumerate(judged, 1)),
    }
    text = TEMPLATE.read_text("utf-8")
    for name in ("title", "count", "summary", "filters", "rows"):  # the rows last: they may hold anything
        text = text.replace(f"{{{{ {name} }}}}", parts[name])
    return text


def _summary(report: dict[str, Any]) -> str:
    """A table of the figures: over all, by language, by kind."""
    columns = {"all": report} | report["per_language"] | report["per_kind"]
    names = [name for name, value in report.items() if not isinstance(value, dict)]
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{_figure(values[name])}</td>" for values in columns.values())
        + "</tr>\n"
        for name in names
    )
    return f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>{body}</tbody>"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _filters(judged: Sequence[Judged]) -> str:
    choices = {
        "kind": {expected.kind for expected, _, _ in judged},
        "language": {expected.language for expected, _, _ in judged},
        "outcome": {observed.outcome.value for _, observed, _ in judged},
        "verdict": {fault for _, _, verdict in judged for fault in verdict.faults()} | {RIGHT, "any fault"},
    }
    return "\n".join(
        f'<label>{name.capitalize()} <select data-filter="{name}"><option value="">all</option>'
        + "".join(f"<option>{escape(choice)}</option>" for choice in sorted(values - {""}))
        + "</select></label>"
        for name, values in choices.items()
    )


def _row(number: int, judged: Judged) -> str:
    expected, observed, verdict = judged
    faults = verdict.faults()
    marks = json.dumps([*faults, "any fault"] if faults else [RIGHT])
    turns = [(SPEAKERS[turn.role], turn.content) for turn in expected.history]
    said = [*turns, ("Customer", expected.question)]
    badges = "".join(f'<li class="fault">{escape(fault)}</li>' for fault in faults) or f"<li>{RIGHT}</li>"
    language = escape(expected.language)
    return f"""<article id="row-{number}" data-kind="{escape(expected.kind)}" data-language="{language}"
 data-outcome="{observed.outcome.value}" data-verdict="{escape(marks)}">
<h3><a href="#row-{number}">{number}</a> {escape(expected.kind)} · {language} · {observed.outcome.value}</h3>
<ul class="badges" aria-label="Verdict">{badges}</ul>
<dl class="turns" lang="{language}">{_terms(said)}</dl>
<div class="reply"><h4>Reply</h4><p lang="{language}">{escape(observed.text)}</p>
{_citations(observed.citations)}</div>
<dl class="expected">{_terms(_expectations(judged))}</dl>
</article>"""


def _citations(citations: Sequence[Passage]) -> str:
    return "".join(
        f"<details><summary>[{number}] {escape(p.source)} ({p.score:.3f})</summary>"
        f'<p lang="{escape(p.language)}"><strong>{escape(p.question or p.title)}</strong>\n{escape(p.text)}</p>'
        "</details>"
        for number, p in enumerate(citations, 1)
    )


def _expectations(judged: Judged) -> Iterable[tuple[str, str]]:
    """Name and text of what was expected and what was found, where there is any."""
    expected, observed, verdict = judged
    answerable = {True: "yes", False: "no", None: ""}[expected.answerable]
    rank = "not among those found" if verdict.rank is None else f"found at {verdict.rank}"
    pairs = [
        ("Answerable", answerable),
        ("Right outcomes", ", ".join(sorted(expected.outcomes))),
        ("Source", f"{expected.source} ({rank})" if expected.source else ""),
        ("Reference", expected.reference),
        ("Must include", "; ".join(" | ".join(group) for group in expected.must_include)),
        ("Missing", "; ".join(verdict.missing)),
        ("Must not include", "; ".join(expected.must_not_include)),
        ("Found all the same", "; ".join(verdict.forbidden)),
        ("Figures without support", ", ".join(verdict.unsupported)),
        ("Passage put in", expected.passage),
        ("Note", expected.note),
        ("Best found", ", ".join(f"{source} {score:.3f}" for source, score in observed.found[:5])),
        ("Time", f"first words {observed.seconds_to_first_token:.2f} s, whole {observed.seconds:.2f} s"),
    ]
    return [(name, text) for name, text in pairs if text]


def _terms(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in pairs)
