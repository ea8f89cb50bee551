"""Classify: what the model makes of any text."""

import gradio as gr

from app.domain.errors import InvalidInput
from app.domain.guardrails import language_of
from app.domain.news import Excerpt
from app.ml.executor import Priority
from app.ml.explain import explain
from app.ui.analyst.desk import Desk, fragment
from app.ui.highlight import highlight
from app.ui.listeners import shows_errors

MAX_CHARS = 20_000
MAX_COMPANY_CHARS = 200
EXAMPLES = [
    "The bank's mobile app was down for nine hours and customers could not pay.",
    "The chipmaker raised its full-year forecast after record orders.",
    "The regulator fined the insurer 12 million for misleading advice.",
    "铜线银行确认客户数据遭泄露，监管机构已介入调查。",
]


def build_classify(desk: Desk) -> None:
    """The tab's content."""
    text = gr.Textbox(
        label="Text",
        placeholder="Paste a headline or an article, in English or Chinese",
        lines=4,
        max_length=MAX_CHARS,
    )
    company = gr.Textbox(
        label="Towards a company (optional)",
        placeholder="A name that the text mentions; empty for the text as a whole",
        max_length=MAX_COMPANY_CHARS,
    )
    run = gr.Button("Classify", variant="primary")
    gr.Examples(EXAMPLES, text, label="Examples")
    result = fragment(desk.views.empty("Nothing classified yet.", "Paste a text above, or choose an example."))
    reasons = fragment("")

    @shows_errors
    def classify(text: str, company: str) -> str:
        return classify_text(desk, text, company)

    @shows_errors
    def show_reasons(text: str, company: str) -> str:
        return explain_text(desk, text, company) if text.strip() else ""

    gr.on(
        [run.click, text.submit, company.submit],
        classify,
        [text, company],
        result,
        show_progress="minimal",
        api_visibility="private",
        concurrency_limit=8,
    ).then(
        show_reasons,
        [text, company],
        reasons,
        show_progress="hidden",
        api_visibility="private",
        concurrency_limit=8,
    )


def classify_text(desk: Desk, text: str, company: str = "") -> str:
    """The classification as HTML, towards a company if one is named. Raises InvalidInput for an empty text."""
    if not text.strip():
        raise InvalidInput("There is no text to classify. Paste one first.")
    excerpt = _excerpt(text, company)
    reading = desk.services.classifier.classify([excerpt], Priority.ANALYST)[0]
    topics = sorted(reading.topic_scores.items(), key=lambda row: -row[1])[:4]
    return desk.views.render("classification.html", result=reading, topics=topics, company=excerpt.entity)


def explain_text(desk: Desk, text: str, company: str = "") -> str:
    """The text as HTML, with the words marked that made the classification."""
    return highlight(explain(desk.services.classifier, _excerpt(text, company)), language_of(text))


def _excerpt(text: str, company: str) -> Excerpt:
    return Excerpt(text[:MAX_CHARS], " ".join(company.split())[:MAX_COMPANY_CHARS])
