"""The agents' inbox in a real browser, on the whole application around the tiny backbone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.domain.conversations import Message, Need, Outcome, Passage, Role
from app.services.fixed_replies import handoff_reply
from tests.whole import build_whole

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
PASSWORD = "correct horse battery"
LOST = "I have lost my card abroad. What should I do?"
ANSWER = "Freeze the card in the app, or call 0800 550 0199."


@dataclass
class Office:
    address: str
    services: Any
    conversation: str


@pytest.fixture(scope="module")
def office(
    serve: Callable[[FastAPI], str], tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    """Two customers who wait for a person."""
    from app.web import create_app

    folder = tmp_path_factory.mktemp("office")
    services = build_whole(folder, tiny_backbone_folder)
    services.accounts.create_account("grace", PASSWORD, "agent")
    services.accounts.create_account("bo", PASSWORD, "agent")
    now = datetime.now(UTC)
    conversation = waiting(services, LOST, "en", Need.ANSWER, now - timedelta(hours=3))
    waiting(services, "我怀疑有人盗用了我的账户，怎么办？", "zh", Need.FRAUD, now - timedelta(minutes=20))
    yield Office(serve(create_app(services)), services, conversation)
    services.close()


def waiting(services: Any, question: str, language: str, need: Need, at: datetime) -> str:
    """A conversation with an answer, an honest fallback, and a request for a person."""
    store = services.conversations
    key = store.start(at)
    passage = Passage("en/cards.csv#0", ANSWER, "", "I have lost my card. What should I do?", score=0.93)
    store.append(key, Message(Role.CUSTOMER, "What does a card cost?"), at)
    store.append(key, Message(Role.ASSISTANT, "It is free [1]."), at, Outcome.GENERATED, [passage])
    store.append(key, Message(Role.CUSTOMER, question), at)
    store.append(key, Message(Role.ASSISTANT, handoff_reply(need, language)), at, Outcome.HANDOFF)
    store.add_handoff(key, "mei@example.com", "Please call after six.", at)
    return str(key)


def signed_in(office: Office, open_page: Callable, **options: Any) -> Any:
    page = open_page(office.address + "agent", **options)
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name=LOST).or_(page.get_by_text("Nobody is waiting")).first).to_be_visible()
    return page


def test_inbox_is_closed_without_a_session_and_open_to_agents_alone(office: Office) -> None:
    paths = ("agent/", "agent/config", "agent/gradio_api/info")
    with httpx.Client(base_url=office.address) as client:
        assert [client.get(path).status_code for path in paths] == [303, 401, 401]
        client.post("/sign-in", data={"username": "bo", "password": PASSWORD})
        assert [client.get(path).status_code for path in paths] == [200, 200, 200]
        assert client.get("analyst/config").status_code == 403


def test_narrow_dark_screen_needs_no_sideways_scrolling(office: Office, open_page: Callable) -> None:
    page = signed_in(office, open_page, width=390, dark=True)
    page.get_by_role("button", name=LOST).click()
    expect(page.get_by_text("mei@example.com")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_agent_answers_corrects_and_resolves(office: Office, open_page: Callable) -> None:
    page = signed_in(office, open_page)
    page.get_by_role("button", name=LOST).click()
    expect(page.get_by_text("Please call after six.")).to_be_visible()
    page.get_by_text("[1] I have lost my card").click()
    expect(page.get_by_text(ANSWER)).to_be_visible()

    last = office.services.conversations.history(office.conversation)[-1].id
    store = office.services.conversations
    store.append(office.conversation, Message(Role.CUSTOMER, "Are you there?"), datetime.now(UTC))
    expect(page.get_by_text("Are you there?").last).to_be_visible()  # without a reload

    page.get_by_label("Reply", exact=False).fill("Yes. Call the number on our site and we cancel it.")
    page.get_by_role("button", name="Send reply").click()
    expect(page.locator(".bw-agent-reply")).to_contain_text("grace")
    heard = store.messages_after(office.conversation, last)[-1]
    assert (heard.author, heard.content) == ("grace", "Yes. Call the number on our site and we cancel it.")

    page.get_by_role("button", name="Correct this answer").first.click()
    page.get_by_label("Best answer").fill("The first card is free.")
    page.get_by_role("button", name="Save the correction").click()
    expect(page.get_by_text("Corrected by grace")).to_be_visible()
    page.get_by_role("button", name="Change the correction").click()
    page.get_by_role("button", name="Make it a curated answer").click()
    expect(page.get_by_label("Best answer")).to_be_hidden()
    written = (office.services.settings.knowledge_dir / "curated.csv").read_text("utf-8")
    assert written == "question,answer\nWhat does a card cost?,The first card is free.\n"

    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    [entry, *_] = office.services.audit.entries("handoff")
    assert (entry.actor, entry.action) == ("grace", "resolve")
