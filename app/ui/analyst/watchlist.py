"""Watchlist: the companies on watch, their names, and how often the news named each."""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import gradio as gr

from app.domain.errors import AppError, InvalidInput
from app.domain.watchlist import WatchedCompany
from app.storage.watchlist import COLUMNS, read_watchlist
from app.ui.analyst.company_form import CompanyForm, form_of, names_of
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.listeners import shows_errors

LOG = logging.getLogger(__name__)
COUNTED = timedelta(days=30)  # also how far back articles are looked through for a company that is new or changed
MAX_CSV_CHARS = 1_000_000
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_HINT = """<div class="bw"><p class="bw-small bw-soft">One name a line. If a name is an everyday word, add after a
colon what must stand near it: <code>Apple: iPhone, Cupertino</code>. <code>[exact case]</code> behind a name
accepts it only as written; <code>[safe]</code> says that it means nothing else.</p></div>"""
_FILE = f"""<div class="bw"><label class="bw-small" for="bw-watchlist-file">A CSV file in UTF-8, a name a row, with
the columns {", ".join(COLUMNS)}; all but the first may be missing. Companies that are there already
get these names.</label>
<p><input id="bw-watchlist-file" type="file" accept=".csv,text/csv"></p></div>"""
# The file is read in the browser: this page takes no uploads.
_READ_FILE = f"""
element.addEventListener('change', async (event) => {{
  const file = event.target.files && event.target.files[0];
  if (!file) return;
  const text = file.size > 4 * {MAX_CSV_CHARS} ? '' : await file.text();
  trigger('click', {{id: file.size, action: 'import', text, name: file.name}});
  event.target.value = '';
}});
"""


def build_watchlist(desk: Desk) -> Refresh:
    """The tab's content. Which company is being edited belongs to the visitor."""
    editing = gr.State(0)
    listing = fragment()
    with gr.Accordion("Add a company", open=False) as form:
        name = gr.Textbox("", label="Company", placeholder="Copperline Bank", max_length=100)
        gr.HTML(_HINT, apply_default_css=False, elem_classes="bw-fragment")
        with gr.Row():
            others = gr.Textbox("", label="Other names", lines=3, max_length=5000, min_width=220)
            tickers = gr.Textbox("", label="Tickers", placeholder="CPL", lines=3, max_length=1000, min_width=120)
            chinese = gr.Textbox(
                "", label="Chinese names", placeholder="铜线银行", lines=3, max_length=5000, min_width=160
            )
        needs = gr.Textbox(
            "",
            label="Words near the company's own name, if that is an everyday word",
            placeholder="bank, card, 银行",
            max_length=1000,
        )
        with gr.Row():
            save = gr.Button("Save company", variant="primary", min_width=140)
            cancel = gr.Button("Clear", min_width=100)
    with gr.Accordion("Import from a CSV file", open=False):
        chooser = gr.HTML(_FILE, js_on_load=_READ_FILE, apply_default_css=False, elem_classes="bw-fragment")
    fields = [name, others, tickers, chinese, needs]
    outputs = [listing, form, editing, *fields]

    @shows_errors
    def refresh() -> str:
        return render_watchlist(desk)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        if event.action == "edit":
            desk.account_of(request)
            company = desk.services.watchlist.get(event.id)
            return render_watchlist(desk), *_filled(form_of(company), company.id)
        act_on_company(desk, request, event.action, event.id)
        return render_watchlist(desk), *[gr.skip()] * (len(outputs) - 1)

    @shows_errors
    def keep(
        editing: int, name: str, others: str, tickers: str, chinese: str, needs: str, request: gr.Request
    ) -> tuple[Any, ...]:
        form = CompanyForm(name, others, tickers, chinese, needs)
        gr.Info(save_company(desk, request, editing, form))
        return render_watchlist(desk), *_filled(CompanyForm(), 0, open=False)

    @shows_errors
    def bring_in(request: gr.Request, event: gr.EventData) -> str:
        gr.Info(import_companies(desk, request, event.text, event.name))
        return render_watchlist(desk)

    listing.click(act, None, outputs, **_QUIET)
    save.click(keep, [editing, *fields], outputs, show_progress_on=[save], api_visibility="private")
    cancel.click(lambda: _filled(CompanyForm(), 0, open=True), None, outputs[1:], **_QUIET)
    chooser.click(bring_in, None, listing, show_progress="minimal", api_visibility="private")
    return Refresh(refresh, [], [listing])


def _filled(form: CompanyForm, editing: int, open: bool = True) -> tuple[Any, ...]:
    """Updates of the accordion, of what is being edited, and of each field. A stored company keeps its name."""
    label = f"Change {form.name}" if editing else "Add a company"
    name = gr.Textbox(value=form.name, interactive=not editing)
    return gr.Accordion(label=label, open=open), editing, name, *form[1:]


def render_watchlist(desk: Desk) -> str:
    """The companies as HTML, those named most first; what is switched off comes last."""
    companies = desk.services.watchlist.list()
    if not companies:
        return desk.views.empty(
            "No companies on watch.",
            "Add one below with the names that the press uses; articles of the last 30 days are looked through.",
        )
    now = desk.clock()
    counts = desk.services.articles.entity_counts(now - COUNTED, now)
    named = {company.id: sum(counts.get(company.name, {}).values()) for company in companies}
    companies.sort(key=lambda company: (not company.enabled, -named[company.id], company.name.casefold()))
    return desk.views.render("watchlist.html", companies=companies, named=named, counts=counts)


def act_on_company(desk: Desk, request: gr.Request, action: str, company_id: int) -> None:
    """Carry out what a button of the list stands for. Raises AppError."""
    by, now, watchlist = desk.account_of(request).username, desk.clock(), desk.services.watchlist
    if action == "remove":
        watchlist.remove(company_id, now, by)
    elif action in ("enable", "disable"):
        watchlist.update(company_id, now, enabled=action == "enable", actor=by)
    else:
        raise InvalidInput("That button is unknown to the server. Reload the page.")


def save_company(desk: Desk, request: gr.Request, company_id: int, form: CompanyForm) -> str:
    """Add a company (id 0) or change one's names; articles are then looked through. Returns words of success."""
    by, now, watchlist = desk.account_of(request).username, desk.clock(), desk.services.watchlist
    if company_id:
        known = watchlist.get(company_id)
        names = names_of(form._replace(name=known.name), known.names)
        company = watchlist.update(company_id, now, names, actor=by)
    else:
        company = watchlist.add(form.name, now, names_of(form), by)
    look_through(desk, [company])
    return f"Saved “{company.name}”. The articles of the last {COUNTED.days} days are being looked through for it."


def import_companies(desk: Desk, request: gr.Request, text: str, name: str) -> str:
    """Bring in the companies of a CSV file, all or none. Returns words of success. Raises InvalidInput."""
    by = desk.account_of(request).username
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_CSV_CHARS:
        raise InvalidInput(f"{name!s:.60} is empty or too large; a list has at most {MAX_CSV_CHARS:,} characters.")
    companies = read_watchlist(text.encode("utf-8", "replace"), f"{name!s:.60}")
    changed = desk.services.watchlist.import_companies(companies, desk.clock(), by)
    look_through(desk, changed)
    return f"{len(companies):,} companies read, {len(changed):,} of them new or changed."


def look_through(desk: Desk, companies: Sequence[WatchedCompany]) -> threading.Thread:
    """Tag the stored articles with these companies, behind the visitor's back: it takes the model some minutes."""
    since = desk.clock() - COUNTED

    def run() -> None:
        for company in companies:
            try:
                desk.services.entities.retag(company, since)
            except AppError as error:
                LOG.warning("Articles could not be looked through for %s: %s", company.name, error)
            except Exception:
                LOG.exception("Articles could not be looked through for %s", company.name)

    thread = threading.Thread(target=run, name="look-through", daemon=True)
    thread.start()
    return thread
