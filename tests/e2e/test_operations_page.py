"""The operations page in a real browser, on the whole application around the tiny backbone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI

from tests.whole import build_whole

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def place(
    serve: Callable[[FastAPI], str], tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    from app.web import create_app

    folder = tmp_path_factory.mktemp("operations")
    services = build_whole(folder, tiny_backbone_folder)
    services.accounts.create_account("root", PASSWORD, "administrator")
    yield SimpleNamespace(address=serve(create_app(services)), services=services, folder=folder)
    services.close()


def signed_in(place: Any, open_page: Callable, **options: Any) -> Any:
    page = open_page(place.address + "operations", **options)
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("your account")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def test_invite_locks_and_document_on_the_page(place: Any, open_page: Callable) -> None:
    page = signed_in(place, open_page)
    page.get_by_role("button", name="Add an account").click()
    page.get_by_label("User name").fill("Ben")
    page.get_by_role("button", name="Add and show its first password").click()
    secret = page.locator("code")
    expect(secret).to_be_visible()
    password = secret.inner_text()
    page.get_by_role("button", name="hide it").click()
    expect(page.get_by_text(password)).to_have_count(0)
    card = page.get_by_role("region", name="Account ben")
    card.get_by_role("button", name="Lock").click()
    expect(card.get_by_text("locked", exact=True)).to_be_visible()
    assert place.services.accounts.find("ben").disabled

    page.get_by_role("tab", name="Knowledge base").click()
    page.get_by_role("button", name="Edit fees.md").click()
    text = page.get_by_label("Text of fees.md")
    expect(text).to_be_visible()
    text.fill("# Fees\n\nA copy of a cheque is free.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(text).to_be_hidden()
    page.get_by_role("button", name="Add a document").click()
    sent = place.folder / "offer.md"
    sent.write_text("# Offer\n\nSavings pay 5%.")
    page.locator("input[type=file]").set_input_files(str(sent))
    expect(page.get_by_text("offer.md").first).to_be_visible()
    page.get_by_role("button", name="Check and add").click()
    expect(page.get_by_role("region", name="Document offer.md")).to_be_visible()
    page.get_by_role("button", name="Index everything again").click()
    expect(page.get_by_text("passages are indexed anew")).to_be_visible()
    texts = [passage.text for passage in place.services.retrieval.index.passages]
    assert any("copy of a cheque is free" in text for text in texts)
    assert any("Savings pay 5%" in text for text in texts)


@pytest.mark.parametrize("tab", ["Accounts", "Jobs", "Knowledge base", "Settings", "Audit log"])
def test_narrow_dark_screen_needs_no_sideways_scrolling(place: Any, open_page: Callable, tab: str) -> None:
    page = signed_in(place, open_page, width=390, dark=True)
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
