"""Sources: where articles come from, how the last visit to each went, and adding one with a live test."""

from collections.abc import Callable
from urllib.parse import urlsplit

import gradio as gr

from app.domain.errors import FetchFailed, InvalidInput
from app.domain.news import IngestReport, Source
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.listeners import shows_errors

KINDS = [("Find out by itself", "auto"), ("Feed (RSS, Atom, JSON)", "feed"), ("Web page", "page")]


def build_sources(desk: Desk) -> Refresh:
    """The tab's content."""
    listing = fragment()
    with gr.Accordion("Add a source", open=False):
        with gr.Row():
            url = gr.Textbox(
                "",
                label="Address",
                placeholder="https://news.example/feed.xml",
                min_width=260,
                scale=2,
                max_length=2000,
            )
            name = gr.Textbox("", label="Name (optional)", min_width=160, max_length=200)
        with gr.Row():
            kind = gr.Dropdown(KINDS, value="auto", label="What it is", min_width=180)
            interval = gr.Number(label="Visit every … minutes", value=15, minimum=1, precision=0, min_width=140)
        keep = gr.Checkbox(label="Keep it even if the test fetch fails", value=False, container=False)
        add = gr.Button("Test and add", variant="primary", min_width=140)

    @shows_errors
    def refresh() -> str:
        return render_sources(desk)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> str:
        act_on_source(desk, request, event.action, event.id)
        return render_sources(desk)

    @shows_errors
    def test_and_add(
        url: str, name: str, kind: str, interval: float, keep: bool, request: gr.Request
    ) -> tuple[str, str, str]:
        desk.administrator(request)
        gr.Info(add_source(desk, url, name, kind, int(interval or 0), keep))
        return render_sources(desk), "", ""

    listing.click(act, None, listing, show_progress="minimal", api_visibility="private")
    add.click(
        test_and_add,
        [url, name, kind, interval, keep],
        [listing, url, name],
        show_progress_on=[add],
        api_visibility="private",
    )
    return Refresh(refresh, [], [listing])


def render_sources(desk: Desk) -> str:
    """All sources as HTML; those that fail come first, samples last."""
    sources = desk.services.sources.list()
    if not sources:
        return desk.views.empty(
            "No sources yet.", "Open “Add a source” below and give the address of a feed or a page."
        )
    sources.sort(key=lambda s: (s.sample, not (s.enabled and s.last_error), s.name.casefold()))
    return desk.views.render("sources.html", sources=sources, samples=sum(source.sample for source in sources))


def act_on_source(desk: Desk, request: gr.Request, action: str, source_id: int) -> None:
    """Carry out what a button of the list stands for. Raises AppError."""
    services = desk.services
    if action == "fetch":
        gr.Info(_summary(_fetch(desk, services.sources.get(source_id))))
        return
    desk.administrator(request)
    actions: dict[str, Callable[[], object]] = {
        "pause": lambda: services.sources.set_enabled(source_id, False),
        "resume": lambda: services.sources.set_enabled(source_id, True),
        "remove": lambda: services.sources.remove(source_id),
        "remove-sample": services.sample.remove,
    }
    if action not in actions:
        raise InvalidInput("That button is unknown to the server. Reload the page.")
    actions[action]()
    if action == "remove-sample":
        gr.Info("The sample data is gone. Add your own sources below.")


def add_source(desk: Desk, url: str, name: str, kind: str, interval: int, keep: bool) -> str:
    """Add a source and fetch it at once; one that fails is taken back unless `keep`. Returns words of success.

    Raises InvalidInput, Conflict, or FetchFailed with the reason of the failed test.
    """
    url = url.strip()
    # Files are for the sample news alone: a visitor must not read the server's disk.
    if urlsplit(url).scheme not in ("http", "https"):
        raise InvalidInput("Give an address that begins with http:// or https://.")
    source = desk.services.sources.add(name.strip(), url, kind, interval)
    try:
        report = _fetch(desk, source)
    except FetchFailed as error:
        if keep:
            return f"Added “{source.name}”. It could not be fetched yet: {error}"
        desk.services.sources.remove(source.id)
        raise FetchFailed(f"Not added, since the test fetch failed: {error}") from error
    return f"Added “{source.name}”. {_summary(report)}"


def _fetch(desk: Desk, source: Source) -> IngestReport:
    """Visit one source now. Raises FetchFailed with the reason when that fails."""
    report = desk.services.ingestion.run([source])
    if report.errors:
        raise FetchFailed(next(iter(report.errors.values())))
    return report


def _summary(report: IngestReport) -> str:
    return f"{report.fetched} items read, {report.new} new articles, {report.duplicates} known or repeated."
