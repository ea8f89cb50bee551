"""The analysts' page: tabs over the same news, refreshed by a timer. State belongs to each visitor's session."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from app.domain.accounts import Account, AccountRole
from app.ui.analyst.alerts import AlertsTab, build_alerts
from app.ui.analyst.articles import build_articles
from app.ui.analyst.classify import build_classify
from app.ui.analyst.desk import Desk, DeskServices, fragment
from app.ui.analyst.links import TAB, Remembered, remember_tab, restored
from app.ui.analyst.overview import build_overview
from app.ui.analyst.recipients import build_recipients
from app.ui.analyst.rules import build_rules
from app.ui.analyst.sources import build_sources
from app.ui.analyst.trends import build_trends
from app.ui.analyst.watchlist import build_watchlist
from app.ui.listeners import shows_errors
from app.ui.views import Views

REFRESH_SECONDS = 30
LISTENERS_AT_ONCE = 16
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build_dashboard(
    services: DeskServices, account_of: Callable[[Any], Account], clock: Callable[[], datetime]
) -> gr.Blocks:
    """The page, ready to be mounted. `account_of` finds the account behind a request, or raises AccessDenied."""
    settings = services.settings
    views = Views(settings.time_zone, services.classifier.titles, settings.unsure_below)
    desk = Desk(services, views, account_of, clock)
    with gr.Blocks(title="Market watch · Bellwether", analytics_enabled=False) as page:
        header = fragment(desk.views.render("header.html", username=""))
        with gr.Tabs(selected="overview", overflow_behavior="wrap") as tabs:
            with gr.Tab("Overview", id="overview") as overview_tab:
                overview, refresh_overview = build_overview(desk)
            with gr.Tab("Trends", id="trends") as trends_tab:
                trends = build_trends(desk)
            with gr.Tab("Articles", id="articles") as articles_tab:
                articles = build_articles(desk)
            with gr.Tab("Alerts", id="alerts") as alerts_tab:
                alerts = build_alerts(desk)
            with gr.Tab("Recipients", id="recipients") as recipients_tab:
                refresh_recipients = build_recipients(desk)
            with gr.Tab("Rules", id="rules") as rules_tab:
                refresh_rules = build_rules(desk)
            with gr.Tab("Sources", id="sources") as sources_tab:
                refresh_sources = build_sources(desk)
            with gr.Tab("Watchlist", id="watchlist") as watchlist_tab:
                refresh_watchlist = build_watchlist(desk)
            with gr.Tab("Classify", id="classify"):
                build_classify(desk)

        timer = gr.Timer(REFRESH_SECONDS)
        restoring = _restore_view(page, tabs, (trends.remembered, articles.remembered))
        for tab, plan in (
            (overview_tab, refresh_overview),
            (trends_tab, trends.refresh),
            (articles_tab, articles.refresh),
            (alerts_tab, alerts.refresh),
            (recipients_tab, refresh_recipients),
            (rules_tab, refresh_rules),
            (sources_tab, refresh_sources),
            (watchlist_tab, refresh_watchlist),
        ):
            restoring.then(*plan, **_QUIET)
            timer.tick(*plan, **_QUIET)
            tab.select(*plan, **_QUIET)
            tab.select(None, None, None, js=remember_tab(tab.id), **_QUIET)
        _open_alert_from(overview, tabs, alerts)

        @shows_errors
        def greet(request: gr.Request) -> str:
            account = account_of(request)
            operations = account.may(AccountRole.ADMINISTRATOR)
            return desk.views.render("header.html", username=account.username, operations=operations)

        page.load(greet, None, header, **_QUIET)
    page.queue(default_concurrency_limit=LISTENERS_AT_ONCE, api_open=False)
    return page


def _restore_view(page: gr.Blocks, tabs: gr.Tabs, parts: Sequence[Remembered]) -> Any:
    """At load, the tab and the filters that the link names; what comes after can be chained to the result."""

    @shows_errors
    def restore(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        known = [child.id for child in tabs.children if isinstance(child, gr.Tab)]
        chosen = gr.Tabs(selected=query[TAB]) if query.get(TAB) in known else gr.skip()
        return [chosen, *(update for part in parts for update in restored(part, query))]

    fields = [field for part in parts for field in part.fields.values()]
    return page.load(restore, None, [tabs, *fields], **_QUIET)


def _open_alert_from(overview: gr.HTML, tabs: gr.Tabs, alerts: AlertsTab) -> None:
    """A click on an alert of the overview shows it on its own tab."""
    overview.click(lambda: gr.Tabs(selected="alerts"), None, tabs, **_QUIET)
    overview.click(alerts.select, alerts.select_inputs, alerts.select_outputs, **_QUIET)
