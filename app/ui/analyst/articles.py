"""Articles: the latest, filtered."""

from typing import Any

import gradio as gr

from app.domain.news import Sentiment
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.listeners import shows_errors

PAGE_SIZE = 25


def build_articles(desk: Desk) -> Refresh:
    """The tab's content. The filters and the page belong to the visitor."""
    with gr.Row():
        topic = gr.Dropdown(
            [("All topics", ""), *((name, key) for key, name in desk.views.topics.items())],
            value="",
            label="Topic",
            min_width=150,
        )
        sentiment = gr.Dropdown(
            [("Any", ""), *((s.value, s.value) for s in Sentiment)], value="", label="Sentiment", min_width=130
        )
        language = gr.Dropdown(
            [("Any", ""), ("English", "en"), ("中文", "zh")],
            value="",
            label="Language",
            min_width=120,
        )
        search = gr.Textbox(
            "", label="Search", placeholder="Words in title or text; press Enter", min_width=220, max_length=200
        )
    repeats = gr.Checkbox(label="Show repeats of the same article", value=False, container=False)
    page = gr.State(0)
    found = fragment()
    with gr.Row():
        newer = gr.Button("Newer", size="sm", visible=False, min_width=120)
        older = gr.Button("Older", size="sm", visible=False, min_width=120)

    @shows_errors
    def refresh(
        topic: str, sentiment: str, language: str, search: str, repeats: bool, page: int
    ) -> tuple[Any, ...]:
        html, more = render_articles(desk, topic, sentiment, language, search, repeats, page)
        return html, gr.Button(visible=page > 0), gr.Button(visible=more)

    filters = [topic, sentiment, language, search, repeats]
    outputs = [found, newer, older]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    gr.on(
        [topic.input, sentiment.input, language.input, search.submit, search.blur, repeats.input],
        lambda: 0,
        outputs=page,
        **quiet,
    ).then(refresh, [*filters, page], outputs, **quiet)
    for button, step in ((newer, -1), (older, 1)):
        turn = button.click(lambda page, step=step: max(0, page + step), page, page, **quiet)
        turn.then(refresh, [*filters, page], outputs, scroll_to_output=True, **quiet)
    return Refresh(refresh, [*filters, page], outputs)


def render_articles(
    desk: Desk, topic: str, sentiment: str, language: str, search: str, repeats: bool, page: int
) -> tuple[str, bool]:
    """One page as HTML, and whether there are older articles."""
    rows = desk.services.articles.recent(
        PAGE_SIZE + 1,
        page * PAGE_SIZE,
        topic or None,
        sentiment or None,
        language or None,
        search.strip() or None,
        include_duplicates=repeats,
    )
    if rows:
        return desk.views.render("articles.html", articles=rows[:PAGE_SIZE]), len(rows) > PAGE_SIZE
    if topic or sentiment or language or search.strip():
        return desk.views.empty("No article fits.", "Loosen a filter or search for fewer words."), False
    return desk.views.empty(
        "No articles yet.", "Add a source under Sources; new articles appear here by themselves."
    ), False
