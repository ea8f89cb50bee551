"""The watchlist, the live test of a source, stories and corrections, trends of a company; on a real database."""

import json
import queue
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app.config import load_settings
from app.domain.accounts import Account, AccountRole
from app.domain.alerts import Alert, Notice
from app.domain.errors import FetchFailed, InvalidInput, NotFound
from app.domain.news import Article, EntityReading, FeedItem, Source
from app.domain.watchlist import WatchedCompany, WatchedName
from app.ml.datasets import load_labelled
from app.storage.alerts import Alerts
from app.storage.article_corrections import ArticleCorrections, training_row
from app.storage.articles import Articles
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.outbox import Outbox
from app.storage.sources import Sources
from app.storage.watchlist import Watchlist
from app.ui.analyst.article_details import act_on_article, render_article
from app.ui.analyst.articles import Filters, render_articles
from app.ui.analyst.company_form import CompanyForm
from app.ui.analyst.desk import Desk
from app.ui.analyst.overview import render_overview
from app.ui.analyst.sources import render_test
from app.ui.analyst.trends import draw_trends, series_choices
from app.ui.analyst.watchlist import act_on_company, import_companies, render_watchlist, save_company
from app.ui.views import Views
from tests import fakes

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)
ADA: Any = Account(1, "ada", AccountRole.ANALYST)


class Gathering:
    """Gives seven items; none at an address that says 'broken'."""

    def preview(self, source: Source) -> list[FeedItem]:
        if "broken" in source.url:
            raise FetchFailed("The server answered 404.")
        return [FeedItem(f"{source.url}/{n}", f"<b>Item {n}", "Its text.") for n in range(7)]


class Entities:
    """Remembers which companies were asked for."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[str] = queue.SimpleQueue()

    def retag(self, company: WatchedCompany, since: datetime) -> int:
        self.asked.put(company.name)
        return 0


@pytest.fixture
def desk(database: Database) -> Desk:
    services: Any = SimpleNamespace(
        settings=load_settings(),
        articles=Articles(database),
        alerts=Alerts(database),
        outbox=Outbox(database),
        sources=Sources(database),
        watchlist=Watchlist(database),
        article_corrections=ArticleCorrections(database),
        audit=Audit(database),
        gathering=Gathering(),
        entities=Entities(),
    )
    return Desk(services, Views("Asia/Shanghai"), lambda request: request, lambda: NOW)


def store(desk: Desk, number: int, title: str, hours_ago: float = 1, **changes: Any) -> int:
    reading = fakes.classify([title])[0]
    at = NOW - timedelta(hours=hours_ago)
    article = Article(f"https://a.example/{number}", title, "Its text.", at, "en", str(number), f"Outlet {number}")
    stored = desk.services.articles.add(replace(article, classification=reading, **changes), NOW)
    assert stored is not None
    assert stored.id is not None
    return stored.id


def on_watch(desk: Desk, name: str = "Copperline") -> EntityReading:
    company = desk.services.watchlist.add(name, NOW)
    return EntityReading(company.id, company.name, "negative", 0.8)


def test_watchlist_without_companies_says_what_to_do(desk: Desk) -> None:
    assert "Add one below" in render_watchlist(desk)


def test_save_company_stores_names_and_looks_through_the_articles(desk: Desk) -> None:
    words = save_company(desk, ADA, 0, CompanyForm("Copperline", "CB Group: bank", "CPL", "铜线", "bank"))
    assert "Copperline" in words
    [company] = desk.services.watchlist.list()
    assert WatchedName("CB Group", "alias", needs=("bank",)) in company.names
    assert desk.services.entities.asked.get(timeout=30) == "Copperline"
    html = render_watchlist(desk)
    assert "only near bank" in html
    assert "Not named in the last 30 days" in html
    save_company(desk, ADA, company.id, CompanyForm("", "CB Group"))
    assert desk.services.watchlist.get(company.id).names == (WatchedName("CB Group", "alias"),)
    trail = desk.services.audit.entries("entity", company.id)
    assert [entry.actor for entry in trail] == ["ada", "ada"]


def test_company_is_switched_off_on_and_removed(desk: Desk) -> None:
    number = on_watch(desk).entity_id
    act_on_company(desk, ADA, "disable", number)
    assert "switched off" in render_watchlist(desk)
    act_on_company(desk, ADA, "enable", number)
    assert desk.services.watchlist.get(number).enabled
    act_on_company(desk, ADA, "remove", number)
    assert not desk.services.watchlist.list()
    with pytest.raises(InvalidInput):
        act_on_company(desk, ADA, "burn", number)


def test_watchlist_counts_stories_that_name_a_company(desk: Desk) -> None:
    named = on_watch(desk)
    store(desk, 1, "Outage", entities=(named,))
    store(desk, 2, "A record month", 48, entities=(replace(named, sentiment="positive"),))
    assert "Named in 2 stories in 30 days, 1 of them negative" in render_watchlist(desk)


def test_import_of_a_csv_adds_all_or_nothing(desk: Desk) -> None:
    good = "company,name,kind\nCopperline,CPL,ticker\nSilverline,,\n"
    assert import_companies(desk, ADA, good, "list.csv").startswith("2 companies read, 2 of them new")
    with pytest.raises(InvalidInput, match=r"list\.csv, line 3"):
        import_companies(desk, ADA, "company,name,kind\nGoldline,,\nLead,x,planet\n", "list.csv")
    assert [company.name for company in desk.services.watchlist.list()] == ["Copperline", "Silverline"]


def test_test_of_a_source_shows_the_first_items_and_stores_nothing(desk: Desk) -> None:
    html, works = render_test(desk, "https://a.example/feed", "feed", {})
    assert works
    assert "7 items" in html
    assert html.count("<h3>&lt;b&gt;Item") == 5
    assert not desk.services.sources.list()
    html, works = render_test(desk, "https://broken.example/", "auto", {})
    assert not works
    assert "The server answered 404." in html
    with pytest.raises(InvalidInput):
        render_test(desk, "file:///etc/passwd", "auto", {})


def test_articles_of_one_story_are_listed_once_and_shown_together(desk: Desk) -> None:
    first = store(desk, 1, "Outage at the bank", 3)
    again = store(desk, 2, "Bank is down", 1, story_id=first)
    copy = store(desk, 3, "Outage at the bank", 2, duplicate_of=first, story_id=first)
    html, _ = render_articles(desk)
    assert html.count("<button") == 1
    assert "told by 3 articles of 3 outlets" in html
    assert f'data-id="{again}"' in html, "the newest stands for its story"
    assert render_articles(desk, copies=True)[0].count("<button") == 3
    details = render_article(desk, again)
    assert f'data-action="show" data-id="{first}"' in details
    assert f'data-action="show" data-id="{copy}"' in details
    assert "gone" in render_article(desk, 999)


def test_articles_are_filtered_by_company_and_age(desk: Desk) -> None:
    store(desk, 1, "Outage at Copperline", 50, entities=(on_watch(desk),))
    store(desk, 2, "Outage elsewhere", 1)
    html, _ = render_articles(desk, Filters(company="Copperline"))
    assert "Outage at Copperline" in html
    assert "Copperline: negative" in html
    assert "elsewhere" not in html
    assert "No article fits" in render_articles(desk, Filters(company="Copperline", days="1"))[0]


def test_correction_becomes_a_training_row_and_can_be_undone(desk: Desk, tmp_path: Any) -> None:
    number = store(desk, 1, "Outage is over")
    corrections = desk.services.article_corrections
    act_on_article(desk, ADA, "correct-positive", number)
    act_on_article(desk, ADA, "correct-neutral", number)
    assert "Corrected to" in render_article(desk, number)
    assert "corrected to neutral" in render_articles(desk)[0]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(training_row(row)) + "\n" for row in corrections.all()))
    [row] = load_labelled([file])
    assert (row.text, row.label, row.topic) == ("Outage is over\nIts text.", "neutral", "cyber")
    act_on_article(desk, ADA, "undo", number)
    assert not corrections.all()
    with pytest.raises(NotFound):
        act_on_article(desk, ADA, "undo", number)
    with pytest.raises(InvalidInput):
        act_on_article(desk, ADA, "correct-splendid", number)


def test_correction_outlives_its_article(desk: Desk) -> None:
    number = store(desk, 1, "Outage")
    article = desk.services.articles.by_ids([number])[0]
    assert article.id is not None
    desk.services.article_corrections.put(number, "neutral", "ada", NOW)
    with desk.services.articles._database.session() as session:
        from sqlalchemy import delete

        from app.storage.tables import ArticleRow

        session.execute(delete(ArticleRow))
    [kept] = desk.services.article_corrections.all()
    assert (kept.article_id, kept.label, kept.by) == (None, "neutral", "ada")


def weeks_of(desk: Desk, named: Sequence[EntityReading]) -> None:
    for number in range(60):
        store(desk, number, f"Outage {number}", 12 * (number + 1), entities=tuple(named))


def test_trend_of_a_company_has_its_band_its_alerts_and_a_comparison(desk: Desk) -> None:
    weeks_of(desk, [on_watch(desk)])
    alert = Alert("", NOW, NOW - timedelta(hours=2), "high", 6, 0.5, 1e-9, 3, (1,), entity="Copperline")
    desk.services.alerts.create(alert, [Notice("alert", [])], NOW, "bank.example")
    assert ("Copperline (company)", "entity:Copperline") in series_choices(desk)
    chart, by_topic = draw_trends(desk, "entity:Copperline", "7 days", "cyber")
    assert by_topic is None
    names = [trace.name for trace in chart.data]
    assert names.count("usual negatives") == 2
    assert "alert" in names
    assert {"Copperline", "Cyber and outage"} <= set(names)
    bars = next(trace for trace in chart.data if trace.name == "negative" and trace.type == "bar")
    assert sum(bars.y) == 13, "one every twelve hours, as far as the first bar reaches back"
    assert "usual negatives" not in [trace.name for trace in draw_trends(desk, "", "7 days")[0].data]


def test_overview_tells_what_changed_for_companies(desk: Desk) -> None:
    store(desk, 1, "Outage")
    assert "No company is on watch" in render_overview(desk)
    named = on_watch(desk)
    for number in range(2, 6):
        store(desk, number, "Outage", entities=(named,))
    html = render_overview(desk)
    assert "<td>Copperline</td>" in html
    assert "▲" in html
