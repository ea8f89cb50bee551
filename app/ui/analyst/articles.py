"""Articles: the latest, filtered and grouped into stories; a click shows one in full."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import gradio as gr

from app.domain.news import Article, Sentiment, Story
from app.ui.analyst.article_details import act_on_article, render_article, render_reasons
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.analyst.exports import export_links
from app.ui.analyst.links import Remembered, remember
from app.ui.listeners import shows_errors

PAGE_SIZE = 25
AGES = [("Any time", ""), ("24 hours", "1"), ("7 days", "7"), ("30 days", "30"), ("90 days", "90")]
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class Filters(NamedTuple):
    """What narrows the list; values, or the inputs that hold them."""

    topic: Any = ""
    company: Any = ""
    sentiment: Any = ""
    language: Any = ""
    days: Any = ""
    search: Any = ""

    @property
    def active(self) -> bool:
        return any(str(value or "").strip() for value in self)


NO_FILTERS = Filters()


class ArticlesTab(NamedTuple):
    """The tab's refresh, and what a link to it remembers."""

    refresh: Refresh
    remembered: Remembered


def build_articles(desk: Desk) -> ArticlesTab:
    """The tab's content. The filters, the page and the article that is open belong to the visitor."""
    filters = _build_filters(desk)
    repeats = gr.Checkbox(label="Every article by itself, copies too", value=False, container=False)
    page, opened = gr.State(0), gr.State(0)
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            found = fragment()
            with gr.Row():
                newer = gr.Button("Newer", size="sm", visible=False, min_width=120)
                older = gr.Button("Older", size="sm", visible=False, min_width=120)
            fragment(export_links("articles", corrections=True))
        with gr.Column(scale=2, min_width=300):
            details, reasons = fragment(), fragment()

    inputs, outputs = [*filters, repeats, page, opened], [found, newer, older, filters.company]

    @shows_errors
    def refresh(*values: Any) -> tuple[Any, ...]:
        *wanted, repeats, page, opened = values
        html, more = render_articles(desk, Filters(*wanted), repeats, page, opened)
        return html, gr.Button(visible=page > 0), gr.Button(visible=more), gr.Dropdown(choices=companies_of(desk))

    plan = Refresh(refresh, inputs, outputs)
    names = (*Filters._fields, "copies")
    chosen = [f.input for f in filters[:-1]] + [filters.search.submit, filters.search.blur, repeats.input]
    gr.on(chosen, lambda: 0, outputs=page, **_QUIET).then(*plan, **_QUIET).then(
        None, [*filters, repeats], None, js=remember(names), **_QUIET
    )
    for button, step in ((newer, -1), (older, 1)):
        turn = button.click(lambda page, step=step: max(0, page + step), page, page, **_QUIET)
        turn.then(*plan, scroll_to_output=True, **_QUIET)
    _open_on_click(desk, found, details, reasons, opened, plan)
    fields = dict(zip(names, (*filters, repeats), strict=True))
    return ArticlesTab(plan, Remembered(fields, _allowed(desk)))


def _build_filters(desk: Desk) -> Filters:
    with gr.Row():
        topic = gr.Dropdown(_topics(desk), value="", label="Topic", min_width=150)
        # The watchlist changes while the page is open, and a link may name a company that is off it by now.
        company = gr.Dropdown(companies_of(desk), value="", label="Company", min_width=150, allow_custom_value=True)
        sentiment = gr.Dropdown(
            [("Any", ""), *((s.value, s.value) for s in Sentiment)], value="", label="Sentiment", min_width=120
        )
        language = gr.Dropdown(
            [("Any", ""), ("English", "en"), ("中文", "zh")], value="", label="Language", min_width=110
        )
        days = gr.Dropdown(AGES, value="", label="Published", min_width=110)
    search = gr.Textbox("", label="Search", placeholder="Words in title or text; press Enter", max_length=200)
    return Filters(topic, company, sentiment, language, days, search)


def _open_on_click(
    desk: Desk, found: gr.HTML, details: gr.HTML, reasons: gr.HTML, opened: gr.State, refresh: Refresh
) -> None:
    """A click on a story shows it at once, and then the words that decided, which take the model a moment."""

    @shows_errors
    def show(event: gr.EventData) -> tuple[Any, ...]:
        return event.id, render_article(desk, event.id), ""

    @shows_errors
    def act(opened: int, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        if event.action == "show":
            return event.id, render_article(desk, event.id), ""
        act_on_article(desk, request, event.action, event.id)
        return event.id, render_article(desk, event.id), gr.skip()

    @shows_errors
    def explain(opened: int, reasons: str) -> Any:
        return gr.skip() if reasons or not opened else render_reasons(desk, opened)

    clicks: list[tuple[gr.HTML, Callable[..., Any], list[Any], dict[str, Any]]] = [
        (found, show, [], {"scroll_to_output": True}),
        (details, act, [opened], {}),
    ]
    for place, listener, inputs, more in clicks:
        click = place.click(listener, inputs, [opened, details, reasons], **more, **_QUIET)
        click.then(*refresh, **_QUIET)
        click.then(explain, [opened, reasons], reasons, concurrency_limit=4, **_QUIET)


def render_articles(
    desk: Desk, filters: Filters = NO_FILTERS, copies: bool = False, page: int = 0, opened: int = 0
) -> tuple[str, bool]:
    """One page as HTML, and whether there are older articles."""
    since = desk.clock() - timedelta(days=int(filters.days)) if str(filters.days or "").isdigit() else None
    rows = desk.services.articles.recent(
        PAGE_SIZE + 1,
        page * PAGE_SIZE,
        filters.topic or None,
        filters.sentiment or None,
        filters.language or None,
        (filters.search or "").strip() or None,
        since=since,
        include_duplicates=copies,
        entity=filters.company or None,
    )
    shown = rows[:PAGE_SIZE]
    if shown:
        corrected = desk.services.article_corrections.of([a.id for a in shown if a.id])
        told = _one_each(shown) if copies else _stories(desk, shown)
        html = desk.views.render("articles.html", told=told, opened=opened, corrected=corrected)
        return html, len(rows) > PAGE_SIZE
    if filters.active:
        return desk.views.empty("No article fits.", "Loosen a filter or search for fewer words."), False
    return desk.views.empty(
        "No articles yet.", "Add a source under Sources; new articles appear here by themselves."
    ), False


def _stories(desk: Desk, articles: list[Article]) -> list[tuple[Article, Story]]:
    """Each story once, with its newest article of this page."""
    newest = {article.id: article for article in articles}
    found = desk.services.articles.stories([a.id for a in articles if a.id is not None])
    return [(next((newest[a.id] for a in articles if a in story.articles), story.first), story) for story in found]


def _one_each(articles: list[Article]) -> list[tuple[Article, Story]]:
    return [(article, Story(article, (article,))) for article in articles]


def companies_of(desk: Desk) -> list[tuple[str, str]]:
    """The choices of a filter by company."""
    return [("All companies", ""), *((c.name, c.name) for c in desk.services.watchlist.list(enabled_only=True))]


def _topics(desk: Desk) -> list[tuple[str, str]]:
    return [("All topics", ""), *((name, key) for key, name in desk.views.topics.items())]


def _allowed(desk: Desk) -> dict[str, list[str]]:
    return {
        "topic": [key for _, key in _topics(desk)],
        "sentiment": [*Sentiment],
        "language": ["en", "zh"],
        "days": [key for _, key in AGES],
    }
