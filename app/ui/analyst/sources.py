"""Sources: where articles come from, how the last visit to each went, and adding one after a live test."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gradio as gr

from app.domain.audit import SYSTEM
from app.domain.errors import AppError, FetchFailed, InvalidInput
from app.domain.news import FeedItem, IngestReport, Source
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.analyst.source_options import KINDS, options_of
from app.ui.listeners import shows_errors

PREVIEWED = 5
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class Form(NamedTuple):
    """The fields of “Add a source”, in their order."""

    url: Any
    name: Any
    kind: Any
    interval: Any
    detail: Any
    full_text: Any
    time_zone: Any
    days: Any


def build_sources(desk: Desk) -> Refresh:
    """The tab's content."""
    listing = fragment()
    with gr.Accordion("Add a source", open=False):
        form = _build_form()
        test = gr.Button("Test", variant="primary", min_width=140)
        preview = fragment()
        save = gr.Button("Save this source", visible=False, min_width=140)

    @shows_errors
    def refresh() -> str:
        return render_sources(desk)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> str:
        act_on_source(desk, request, event.action, event.id)
        return render_sources(desk)

    @shows_errors
    def try_out(
        url: str, name: str, kind: str, interval: float, detail: str, full: bool, zone: str, days: float,
        request: gr.Request,
    ) -> tuple[Any, ...]:  # fmt: skip
        desk.administrator(request)
        html, works = render_test(desk, url, kind, options_of(kind, detail, full, zone, days))
        label = "Save this source" if works else "Save it all the same"
        return html, gr.Button(label, visible=True, variant="primary" if works else "secondary")

    @shows_errors
    def keep(
        url: str, name: str, kind: str, interval: float, detail: str, full: bool, zone: str, days: float,
        request: gr.Request,
    ) -> tuple[Any, ...]:  # fmt: skip
        by, options = desk.administrator(request).username, options_of(kind, detail, full, zone, days)
        gr.Info(add_source(desk, url, name, kind, int(interval or 0), True, by=by, options=options))
        return render_sources(desk), "", "", "", "", gr.Button(visible=False)

    listing.click(act, None, listing, show_progress="minimal", api_visibility="private")
    test.click(try_out, [*form], [preview, save], show_progress_on=[test], api_visibility="private")
    outputs = [listing, form.url, form.name, form.detail, preview, save]
    save.click(keep, [*form], outputs, show_progress_on=[save], api_visibility="private")
    # What was tested is what is saved: another address, or another way to read it, must be tested anew.
    tested = [field.input for field in (form.url, form.kind, form.detail)]
    gr.on(tested, lambda: ("", gr.Button(visible=False)), None, [preview, save], **_QUIET)
    return Refresh(refresh, [], [listing])


def _build_form() -> Form:
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
    detail = gr.Textbox(
        "",
        label="For a list: CSS selector of its links. For JSON: gdelt, or the paths of the fields",
        placeholder='.news-list a      or      {"items": "data.list", "title": "title", "url": "link"}',
        max_length=2000,
        visible=False,
    )
    with gr.Row():
        zone = gr.Textbox(
            "",
            label="Zone of times that name none",
            placeholder="UTC, Asia/Shanghai …",
            min_width=180,
            max_length=64,
        )
        days = gr.Number(
            label="Of a sitemap: pages of how many days", value=None, minimum=1, min_width=180, visible=False
        )
    full = gr.Checkbox(label="Fetch the page of every item for its full text", value=False, container=False)
    kind.change(
        lambda kind: (gr.Textbox(visible=kind in ("list", "json")), gr.Number(visible=kind == "sitemap")),
        kind,
        [detail, days],
        **_QUIET,
    )
    return Form(url, name, kind, interval, detail, full, zone, days)


def render_sources(desk: Desk) -> str:
    """All sources as HTML; those that fail come first, samples last."""
    sources = desk.services.sources.list()
    if not sources:
        return desk.views.empty(
            "No sources yet.", "Open “Add a source” below and give the address of a feed or a page."
        )
    sources.sort(key=lambda s: (s.sample, not (s.enabled and s.last_error), s.name.casefold()))
    return desk.views.render("sources.html", sources=sources, samples=sum(source.sample for source in sources))


def render_test(desk: Desk, url: str, kind: str, options: dict[str, Any]) -> tuple[str, bool]:
    """What a visit to an address gives now, as HTML, and whether it gives anything. Nothing is stored.

    Raises InvalidInput for an address that may not be asked.
    """
    source = Source(0, "test", _web_address(url), kind, options=options)
    items: list[FeedItem] = []
    error = ""
    try:
        items = desk.services.gathering.preview(source)
    except AppError as trouble:
        error = str(trouble)
    html = desk.views.render("source_test.html", items=items[:PREVIEWED], found=len(items), error=error)
    return html, bool(items)


def act_on_source(desk: Desk, request: gr.Request, action: str, source_id: int) -> None:
    """Carry out what a button of the list stands for. Raises AppError."""
    services = desk.services
    if action == "fetch":
        gr.Info(_summary(_fetch(desk, services.sources.get(source_id))))
        return
    by = desk.administrator(request).username
    actions: dict[str, Callable[[], object]] = {
        "pause": lambda: services.sources.set_enabled(source_id, False, by),
        "resume": lambda: services.sources.set_enabled(source_id, True, by),
        "remove": lambda: services.sources.remove(source_id, by),
        "remove-sample": services.sample.remove,
    }
    if action not in actions:
        raise InvalidInput("That button is unknown to the server. Reload the page.")
    actions[action]()
    if action == "remove-sample":
        gr.Info("The sample data is gone. Add your own sources below.")


def add_source(
    desk: Desk,
    url: str,
    name: str,
    kind: str,
    interval: int,
    keep: bool,
    by: str = SYSTEM,
    options: dict[str, Any] | None = None,
) -> str:
    """Add a source and fetch it at once; one that fails is taken back unless `keep`. Returns words of success.

    Raises InvalidInput, Conflict, or FetchFailed with the reason of the failed fetch.
    """
    source = desk.services.sources.add(
        name.strip(), _web_address(url), kind, interval, options=options or {}, by=by
    )
    try:
        report = _fetch(desk, source)
    except FetchFailed as error:
        if keep:
            return f"Added “{source.name}”. It could not be fetched yet: {error}"
        desk.services.sources.remove(source.id, by)
        raise FetchFailed(f"Not added, since the test fetch failed: {error}") from error
    return f"Added “{source.name}”. {_summary(report)}"


def _web_address(url: str) -> str:
    """Files are for the sample news alone: a visitor must not read the server's disk. Raises InvalidInput."""
    url = url.strip()
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise InvalidInput(f"{url!r:.200} is not an address: {error}.") from error
    if scheme not in ("http", "https"):
        raise InvalidInput("Give an address that begins with http:// or https://.")
    return url


def _fetch(desk: Desk, source: Source) -> IngestReport:
    """Visit one source now. Raises FetchFailed with the reason when that fails."""
    report = desk.services.gathering.run([source])
    if report.errors:
        raise FetchFailed(next(iter(report.errors.values())))
    return report


def _summary(report: IngestReport) -> str:
    return f"{report.fetched:,} items read, {report.new:,} new articles, {report.duplicates:,} known or repeated."
