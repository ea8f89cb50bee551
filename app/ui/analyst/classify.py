"""Classify: what the model makes of any text."""

import gradio as gr

from app.domain.errors import InvalidInput
from app.domain.news import Excerpt
from app.ml.executor import Priority
from app.ui.analyst.desk import Desk, fragment
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

    @shows_errors
    def classify(text: str, company: str) -> str:
        return classify_text(desk, text, company)

    gr.on(
        [run.click, text.submit, company.submit],
        classify,
        [text, company],
        result,
        show_progress="minimal",
        api_visibility="private",
        concurrency_limit=8,
    )


def classify_text(desk: Desk, text: str, company: str = "") -> str:
    """The classification as HTML, towards a company if one is named. Raises InvalidInput for an empty text."""
    if not text.strip():
        raise InvalidInput("There is no text to classify. Paste one first.")
    entity = " ".join(company.split())[:MAX_COMPANY_CHARS]
    reading = desk.services.classifier.classify([Excerpt(text[:MAX_CHARS], entity)], Priority.ANALYST)[0]
    topics = sorted(reading.topic_scores.items(), key=lambda row: -row[1])[:4]
    return desk.views.render("classification.html", result=reading, topics=topics, company=entity)
