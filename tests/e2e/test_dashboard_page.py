"""The analyst's page in a real browser, on the whole application around the tiny backbone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app.domain.news import FeedItem
from tests import fakes
from tests.whole import build_whole

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
PASSWORD = "correct horse battery"


@dataclass
class Desk:
    address: str
    password: str
    services: Any


@pytest.fixture(scope="module")
def desk(
    serve: Callable[[FastAPI], str], tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """Three quiet weeks and a burst, classified by keyword so that the labels are known; the rest is real."""
    from app.web import create_app

    folder = tmp_path_factory.mktemp("desk")
    services = build_whole(
        folder, tiny_backbone_folder, alert_recipients="risk@bank.example", alert_group_wait_minutes=0
    )
    services.ingestion._classify = fakes.classify_articles
    services.ingestion.store(list(items(datetime.now(UTC))), None)
    services.alerting.detect()
    services.delivering.deliver()
    services.accounts.create_account("analyst", PASSWORD, "administrator")
    yield Desk(serve(create_app(services)), PASSWORD, services)
    services.close()


# Twelve stories about one breach, not twelve copies of one story.
BREACH = (
    "Copperline hit by data breach at 4 in the morning",
    "Copperline cards stop in 212 supermarkets after breach",
    "Regulator opens an inquiry into breach of 38,000 files",
    "Mortgage papers of Copperline customers leak in a breach",
    "Union says Copperline lost 900 payslips in the breach",
    "Copperline call centre in Dunmore overwhelmed since breach",
    "Copperline data breach reaches its transfers",
    "Breach costs Copperline 17 million, analysts reckon",
    "Chief technician of the bank leaves over breach",
    "Ransom of 60 coins demanded for breach of archive",
    "Lawyers prepare a claim against Copperline over the breach",
    "Savings app switched off for 3 days by breach",
)


def items(now: datetime) -> Iterator[FeedItem]:
    """A calm article every six hours for three weeks, then twelve bad ones within the last two hours."""
    calm = ["Orders at plant {n} are as planned", "A record month for customer {n}", "Outage number {n} is over"]
    for n in range(84):
        at = now - timedelta(hours=6 * (n + 1))
        yield FeedItem(f"https://wire.example/calm/{n}", calm[n % 3].format(n=n), f"Report {n} of the wire.", at)
    for n, title in enumerate(BREACH):
        at = now - timedelta(minutes=10 * (n + 1))
        yield FeedItem(f"https://wire.example/breach/{n}", title, f"{title}, the wire has learned.", at)


def signed_in(desk: Desk, open_page: Callable, **options: Any) -> Any:
    page = open_page(desk.address + "analyst", **options)
    page.get_by_label("User name").fill("analyst")
    page.get_by_label("Password").fill(desk.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    return page


def test_overview_shows_what_needs_a_look(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    expect(page.locator("body")).to_contain_text("Cyber and outage")
    expect(page.locator("body")).to_contain_text("12")


def test_acknowledge_alert_keeps_who_and_why(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    page.get_by_role("tab", name="Alerts").click()
    page.get_by_role("button", name="Cyber and outage").click()
    # From the middle of the burst: which articles came before it was noticed depends on the hour.
    expect(page.get_by_text("Copperline data breach reaches its transfers").first).to_be_visible()
    expect(page.get_by_text("not sent: no mail server configured").first).to_be_visible()
    page.get_by_label("Comment").fill("Called the press office")
    acknowledge = page.get_by_role("button", name="Acknowledge", exact=True)
    acknowledge.click()
    expect(acknowledge).to_be_hidden()
    alert = desk.services.alerts.list()[0]
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "analyst")
    assert alert.comment == "Called the press office"


def test_watch_a_company_and_correct_an_article_found_by_a_link(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    page.get_by_role("tab", name="Watchlist").click()
    page.get_by_role("button", name="Add a company").click()
    page.get_by_label("Company", exact=True).last.fill("Copperline")
    page.get_by_label("Tickers").fill("CPL")
    page.get_by_role("button", name="Save company").click()
    expect(page.get_by_role("heading", name="Copperline")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=watchlist"))
    page.goto(f"{desk.address}analyst/?tab=articles&sentiment=negative")
    page.get_by_role("button", name="Copperline data breach").first.click()
    expect(page.get_by_role("heading", name="Copperline data breach").first).to_be_visible()
    page.get_by_role("button", name="neutral", exact=True).click()
    expect(page.get_by_text("Corrected to neutral by")).to_be_visible()
    [correction] = desk.services.article_corrections.all()
    assert (correction.label, correction.by) == ("neutral", "analyst")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Corrected to neutral by")).to_be_hidden()
    assert not desk.services.article_corrections.all()


def test_classify_any_text_gives_probabilities(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    page.get_by_role("tab", name="Classify").click()
    page.get_by_role("textbox").last.fill("Profit fell by a third.")
    page.get_by_role("button", name="Classify").click()
    expect(page.locator("body")).to_contain_text("negative")
    expect(page.locator("body")).to_contain_text("%")


@pytest.mark.parametrize("tab", ["Overview", "Trends", "Articles", "Alerts", "Sources", "Watchlist", "Classify"])
def test_narrow_dark_screen_needs_no_sideways_scrolling(desk: Desk, open_page: Callable, tab: str) -> None:
    page = signed_in(desk, open_page, width=390, dark=True)
    opened = page.get_by_role("tab", name=tab)
    if not opened.is_visible():  # narrow screens fold the last tabs into a menu
        page.locator(".overflow-menu button").first.click()
        opened = page.locator(".overflow-dropdown button", has_text=tab)
    opened.click()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
