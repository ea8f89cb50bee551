"""An analyst works on an alert, an administrator on recipients and rules, in a real browser."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests import fakes
from tests.e2e.test_dashboard_page import PASSWORD, Desk, items, signed_in
from tests.whole import build_whole

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


@pytest.fixture(scope="module")
def desk(
    serve: Callable[[FastAPI], str], tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """Three quiet weeks and a burst about a company of the watchlist; nobody but the settings' recipient."""
    from app.web import create_app

    folder = tmp_path_factory.mktemp("alerts")
    services = build_whole(folder, tiny_backbone_folder, alert_recipients="risk@bank.example")
    services.ingestion._classify = fakes.classify_articles
    services.entities._classify_towards = fakes.classify_towards
    services.watchlist.add("Copperline", datetime.now(UTC))
    services.ingestion.store(list(items(datetime.now(UTC))), None)
    services.alerting.detect()
    services.delivering.deliver()
    services.accounts.create_account("analyst", PASSWORD, "administrator")
    yield Desk(serve(create_app(services)), PASSWORD, services)
    services.close()


def open_tab(page: Any, name: str) -> None:
    tab = page.get_by_role("tab", name=name)
    if not tab.is_visible():
        page.locator(".overflow-menu button").first.click()
        tab = page.locator(".overflow-dropdown button", has_text=name)
    tab.click()


def photograph(page: Any, name: str) -> None:
    """Keep a picture where BELLWETHER_TEST_PICTURES says so, for whoever wants to look."""
    if folder := os.environ.get("BELLWETHER_TEST_PICTURES"):
        page.wait_for_timeout(800)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_analyst_sees_causes_silences_and_previews_mail(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    open_tab(page, "Alerts")
    page.get_by_role("button", name="Cyber and outage").click()
    expect(page.get_by_text("decisive", exact=False).first).to_be_visible()
    expect(page.get_by_role("img", name="Bars of negative stories")).to_be_visible()
    page.get_by_role("button", name="Preview the message to risk@bank.example").click()
    frame = page.frame_locator("iframe[title='Preview of the mail']")
    expect(frame.get_by_role("heading", name="Cyber and outage")).to_be_visible()
    photograph(page, "alert")
    page.get_by_label("Comment").fill("Planned maintenance")
    page.get_by_role("button", name="Silence this subject").click()
    page.get_by_role("button", name="Silence it").click()
    expect(page.get_by_text("Silenced by analyst until")).to_be_visible()
    page.get_by_role("button", name="Silences (1 in force)").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End the silence").click()
    expect(page.get_by_text("Silenced by analyst until")).to_be_hidden()
    assert not desk.services.silences.active(datetime.now(UTC))


def test_typed_comment_outlives_a_slow_picture(
    desk: Desk, open_page: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = threading.Event()
    late = lambda *_: "<p>The picture at last</p>" if typed.wait(60) else ""  # noqa: E731
    monkeypatch.setattr("app.ui.analyst.alerts.render_picture", late)
    page = signed_in(desk, open_page)
    open_tab(page, "Alerts")
    page.get_by_role("button", name="Cyber and outage").click()
    comment = page.get_by_label("Comment")
    comment.fill("Called the press office")
    typed.set()
    expect(page.get_by_text("The picture at last")).to_be_visible()
    expect(comment).to_have_value("Called the press office")


def test_administrator_adds_tests_and_pauses_a_recipient(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    open_tab(page, "Recipients")
    expect(page.get_by_text("From the settings")).to_be_visible()
    page.get_by_role("button", name="Add a recipient").click()
    page.wait_for_timeout(500)  # Gradio builds the form now; what is typed within milliseconds gets lost
    page.get_by_label("E-mail address").fill("night@bank.example")
    page.get_by_label("Quiet from").fill("22:00")
    page.get_by_label("Quiet until").fill("07:00")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved night@bank.example")).to_be_visible()
    page.get_by_role("button", name="Send a test message to night@bank.example").click()
    expect(page.get_by_text("did not go out yet")).to_be_visible()
    page.get_by_role("button", name="Pause night@bank.example").click()
    expect(page.get_by_role("button", name="Resume night@bank.example")).to_be_visible()
    page.get_by_role("button", name="Edit night@bank.example").click()
    expect(page.get_by_label("Quiet from")).to_have_value("22:00")
    photograph(page, "recipients")
    assert [(s.recipient, s.enabled) for s in desk.services.subscriptions.list()] == [
        ("night@bank.example", False),
        ("risk@bank.example", True),
    ]


def test_rules_preview_shows_what_would_change(desk: Desk, open_page: Callable) -> None:
    page = signed_in(desk, open_page)
    open_tab(page, "Rules")
    expect(page.get_by_role("heading", name="Thresholds in force")).to_be_visible()
    page.get_by_label("Least negative stories").fill("50")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.get_by_text("BELLWETHER_SPIKE_MIN_NEGATIVES=50")).to_be_visible()
    expect(page.get_by_text("− no more").first).to_be_visible()
    photograph(page, "rules")


@pytest.mark.parametrize("tab", ["Alerts", "Recipients", "Rules"])
def test_narrow_dark_screen_shows_alert_pages_without_sideways_scrolling(
    desk: Desk, open_page: Callable, tab: str
) -> None:
    page = signed_in(desk, open_page, width=390, dark=True)
    open_tab(page, tab)
    if tab == "Alerts":
        page.get_by_role("button", name="Copperline").click()
        expect(page.get_by_role("heading", name="Copperline: unusual")).to_be_visible()
        page.get_by_role("button", name="Preview the message").first.click()
        expect(page.locator("iframe[title='Preview of the mail']")).to_be_visible()
    if tab == "Rules":
        page.get_by_role("button", name="Preview", exact=True).click()
        expect(page.get_by_role("heading", name="The last 7 days")).to_be_visible()
    photograph(page, f"{tab.lower()}-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
