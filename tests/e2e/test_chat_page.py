"""The customer's page in a real browser, on the real chat service and a real store; only weights are scripted."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import gradio as gr
import pytest
from fastapi import FastAPI
from scripted_answers import ScriptedResponder, ScriptedRetrieval
from sqlalchemy import select

from app.config import Settings, load_settings
from app.services.chat import Chat, Thresholds
from app.services.limits import Limits, Rates
from app.services.queueing import ChatQueue
from app.services.visitors import Visitors
from app.storage.conversations import Conversations
from app.storage.database import Database, open_database
from app.storage.handoffs import Handoffs
from app.storage.tables import MessageRow
from app.ui.customer_chat import build_chat
from app.ui.theme import CSS, HEAD, THEME

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


@dataclass
class ChatSite:
    """The services that the page needs, and what the tests look at behind them."""

    settings: Settings
    chat: Chat
    conversations: Conversations
    responder: ScriptedResponder
    limits: Limits
    chat_queue: ChatQueue
    handoffs: Handoffs
    database: Database
    address: str = ""


@pytest.fixture(scope="module")
def site(serve: Callable[[FastAPI], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    folder: Path = tmp_path_factory.mktemp("chat")
    database = open_database(f"sqlite:///{folder / 'chat.db'}")
    conversations, responder = Conversations(database), ScriptedResponder()
    thresholds = Thresholds(template=0.94, answer=0.86, clarify_margin=0.004)
    chat = Chat(conversations, ScriptedRetrieval(), responder, thresholds, lambda: datetime.now(UTC))
    site = ChatSite(
        load_settings(data_dir=folder),
        chat,
        conversations,
        responder,
        Limits(Rates(visitor="", address=""), Visitors(b"key of the tests")),
        ChatQueue(at_once=2, waiting=1),
        Handoffs(database, lambda: datetime.now(UTC)),
        database,
    )
    app = gr.mount_gradio_app(FastAPI(), build_chat(site), "/", theme=THEME, css=CSS, head=HEAD, footer_links=[])
    site.address = serve(app)
    yield site
    database.close()


def ask(page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")


def answered(page, question: str):
    """Ask, wait until the answer stands, and return it."""
    before = page.locator("#transcript article").count()
    ask(page, question)
    expect(page.locator("#transcript article")).to_have_count(before + 1)
    return page.locator("#transcript article").last


def test_ask_example_shows_the_approved_answer_and_opens_its_source(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    page.get_by_role("button", name="How do I open an account?").click()
    answer = page.locator("#transcript article")
    expect(answer).to_contain_text("This is an approved answer")
    expect(answer.locator(".passage")).to_be_hidden()
    answer.get_by_role("button", name="Open source 1: How do I open an account?").press("Enter")
    expect(answer.locator(".passage")).to_contain_text("it takes 10 minutes")
    expect(page).to_have_title("Larkmoor Bank")  # the passage's script is text


def test_ask_generated_escapes_what_sources_hold(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answer = answered(page, "What does <b>a payment</b> abroad cost?")
    expect(answer.locator(".question")).to_contain_text("<b>a payment</b>")
    expect(answer.locator(".words").first).to_contain_text("A SWIFT payment costs £18")
    answer.locator(".mark").click()
    expect(answer.locator("summary")).to_contain_text("Fees <img src=x onerror=alert(1)>")
    expect(answer.locator("td").last).to_have_text("£18")
    assert answer.locator("img, a").count() == 0


def test_ask_ambiguous_offers_readings_that_ask(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answer = answered(page, "my card")
    answer.get_by_role("button", name="How do I order a card?").click()
    expect(page.locator("#transcript article")).to_have_count(2)
    expect(page.locator("#transcript article").last).to_contain_text("How do I order a card?")


def test_ask_unknown_leads_to_a_person(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answered(page, "weather on Mars?").get_by_role("button", name="Talk to a person").click()
    expect(page.get_by_label("E-mail or phone number")).to_be_focused()
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_role("alert")).to_contain_text("Please enter an e-mail address")
    page.get_by_label("E-mail or phone number").fill("<i>me</i>@example.org")
    page.get_by_label("Anything to add?").fill("After six, please")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_role("status").filter(has_text="Thank you")).to_contain_text("<i>me</i>@example.org")
    request = site.conversations.handoffs()[0]
    assert (request.contact, request.note) == ("<i>me</i>@example.org", "After six, please")


def test_ask_for_person_before_any_question_starts_a_conversation(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    page.locator("#open-person").click()
    page.get_by_label("E-mail or phone number").fill("0800 550 0142")
    page.get_by_label("E-mail or phone number").press("Enter")
    expect(page.get_by_text("Thank you.")).to_be_visible()
    assert site.conversations.handoffs()[0].contact == "0800 550 0142"


def test_stop_keeps_what_was_written_and_ends_the_work(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    cut_short = site.responder.cut_short
    ask(page, "tell me a story")
    expect(page.locator("#live .words")).to_contain_text("and on")
    page.get_by_role("button", name="Stop").click()
    answer = page.locator("#transcript article")
    expect(answer).to_contain_text("You stopped this answer.")
    expect(answer).to_contain_text("and on")
    page.wait_for_timeout(500)
    assert site.responder.cut_short == cut_short + 1
    expect(page.locator("#live article")).to_have_count(0)
    answer.get_by_role("button", name="Try again").click()
    expect(page.locator("#live .words")).to_contain_text("and on")
    expect(page.locator("article")).to_have_count(1)


def test_ask_when_the_model_fails_says_so_and_goes_on(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answer = answered(page, "please fail")
    expect(answer.get_by_role("alert")).to_have_text("The model is busy. Try again in a minute.")
    expect(answer.get_by_role("button", name="Try again")).to_be_visible()
    expect(answered(page, "payments abroad")).to_contain_text("£18")


def test_line_shows_the_place_then_refuses_then_answers(site: ChatSite, open_page: Callable) -> None:
    served = [site.chat_queue.enter(), site.chat_queue.enter()]
    page, other = open_page(site.address), open_page(site.address, locale="zh-CN")
    ask(page, "payments abroad, waiting")
    expect(page.locator("#live")).to_contain_text("You are number 1 in line")
    other.get_by_label("您的问题").fill("payments abroad, too late")
    other.get_by_label("您的问题").press("Enter")
    expect(other.get_by_role("alert")).to_contain_text("目前咨询的人很多")
    expect(other.get_by_label("您的问题")).to_have_value("payments abroad, too late")
    for ticket in served:
        ticket.leave()
    expect(page.locator("#transcript article")).to_contain_text("£18")
    expect(page.locator("#live article")).to_have_count(0)
    assert (site.chat_queue.served(), site.chat_queue.waiting()) == (0, 0)


def test_stop_in_line_gives_the_place_up(site: ChatSite, open_page: Callable) -> None:
    served = [site.chat_queue.enter(), site.chat_queue.enter()]
    page = open_page(site.address)
    ask(page, "payments abroad, waiting")
    expect(page.locator("#live")).to_contain_text("You are number 1 in line")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#transcript article")).to_contain_text("You stopped this answer.")
    page.wait_for_timeout(500)
    waiting = site.chat_queue.waiting()
    for ticket in served:
        ticket.leave()
    assert waiting == 0


def test_ask_too_often_is_refused_in_the_language_of_the_page(
    site: ChatSite, open_page: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "limits", Limits(Rates(address="1/hour"), Visitors(b"key of the tests")))
    page = open_page(site.address, locale="zh-CN")
    page.get_by_role("button", name="怎样开户？").click()
    expect(page.locator("#transcript article")).to_have_count(1)
    page.get_by_label("您的问题").fill("开户")
    page.get_by_label("您的问题").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("您的提问过于频繁")
    expect(page.locator("#transcript article")).to_have_count(1)


def test_person_replies_in_the_same_chat(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answered(page, "weather on Mars?").get_by_role("button", name="Talk to a person").click()
    page.get_by_label("E-mail or phone number").fill("mars@example.org")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    request = site.conversations.handoffs()[0].id
    site.handoffs.reply(request, "It is **cold** there.", [], "olga")
    reply = page.locator("#transcript .answer.person")
    expect(reply).to_contain_text("Our colleague replied:")
    expect(reply.locator("strong")).to_have_text("cold")
    expect(reply.locator(".feedback")).to_have_count(0)
    page.reload()
    expect(reply).to_contain_text("cold")
    site.handoffs.reply(request, "Minus sixty.", [], "olga")
    expect(reply).to_have_count(2)


def test_not_helpful_asks_why_and_keeps_the_reason(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answered(page, "payments abroad").get_by_role("button", name="Not helpful").click()
    page.locator("#send-why").click()
    expect(page.get_by_role("alert")).to_contain_text("Please choose a reason")
    page.get_by_label("It is wrong or out of date").check()
    page.get_by_label("Comment").fill("It was £20.")
    page.locator("#send-why").click()
    expect(page.get_by_text("This helps us to answer better.")).to_be_visible()
    expect(page.get_by_label("Comment")).to_be_hidden()
    with site.database.reading() as session:
        row = session.scalars(select(MessageRow).order_by(MessageRow.id.desc())).first()
        assert (row.feedback, row.feedback_reason, row.feedback_comment) == (-1, "wrong", "It was £20.")


def test_export_saves_the_conversation(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answered(page, "payments abroad")
    page.get_by_role("button", name="Save conversation").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="As text").click()
    assert "£18 [1]" in Path(saved.value.path()).read_text(encoding="utf-8")
    with page.expect_download() as saved:
        page.get_by_role("link", name="As JSON").click()
    rows = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert [row["from"] for row in rows] == ["customer", "assistant"]


def test_reload_keeps_conversation_and_feedback_unreadably(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answered(page, "payments abroad").get_by_role("button", name="Not helpful").click()
    expect(page.get_by_role("button", name="Not helpful")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator("#transcript article")).to_contain_text("£18")
    expect(page.get_by_role("button", name="Not helpful")).to_have_attribute("aria-pressed", "true")
    stored = page.evaluate("JSON.stringify({...localStorage})")
    assert "SWIFT" not in stored
    assert "language" not in stored
    assert page.context.cookies() == []


def test_opened_source_stays_open_when_the_conversation_changes(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answer = answered(page, "payments abroad")
    answer.locator("summary").click()
    answer.get_by_role("button", name="Helpful", exact=True).click()
    expect(answer.get_by_role("button", name="Helpful", exact=True)).to_have_attribute("aria-pressed", "true")
    answered(page, "payments abroad again")
    expect(page.locator("details[open]")).to_have_count(1)


def test_clear_asks_first_and_deletes_the_stored_conversation(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    answered(page, "payments abroad, clearing")
    page.get_by_role("button", name="Clear conversation").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#transcript article")).to_have_count(1)
    page.get_by_role("button", name="Clear conversation").click()
    page.get_by_role("button", name="Delete conversation").click()
    expect(page.get_by_role("heading", name="How can we help you?")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="How can we help you?")).to_be_visible()


def test_language_follows_the_browser_then_the_visitor(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address, locale="zh-CN")
    expect(page.get_by_role("heading", name="雀原银行")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="怎样开户？").click()
    expect(page.locator("#transcript article")).to_contain_text("约 10 分钟")
    page.get_by_label("English").check()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Larkmoor Bank")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_send_too_long_a_question_keeps_it_and_says_the_limit(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    expect(page.get_by_role("heading", name="How can we help you?")).to_be_visible()
    ask(page, "x" * 2001)
    expect(page.get_by_role("alert")).to_contain_text("2,001 characters; at most 2,000")
    expect(page.get_by_label("Your question")).to_have_value("x" * 2001)


def test_keys_shift_enter_and_composition_do_not_send(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    box = page.get_by_label("Your question")
    expect(box).to_be_focused()
    page.keyboard.type("payments")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("abroad")
    expect(box).to_have_value("payments\nabroad")
    composing = {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True}
    box.dispatch_event("keydown", composing)
    page.wait_for_timeout(300)
    expect(page.locator("article")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#transcript article")).to_contain_text("£18")


def test_escape_closes_the_form(site: ChatSite, open_page: Callable) -> None:
    page = open_page(site.address)
    page.locator("#open-person").click()
    expect(page.get_by_label("E-mail or phone number")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("E-mail or phone number")).to_be_hidden()


def test_two_visitors_see_only_their_own_conversation(site: ChatSite, open_page: Callable) -> None:
    first, second = open_page(site.address), open_page(site.address)
    ask(first, "tell me a story")
    expect(answered(second, "payments abroad")).to_contain_text("£18")
    expect(second.locator("article")).to_have_count(1)
    expect(first.locator("#live .words")).to_contain_text("and on")
    first.get_by_role("button", name="Stop").click()
    expect(first.locator("article")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_screen_shows_everything_without_sideways_scrolling(
    site: ChatSite, open_page: Callable, dark: bool
) -> None:
    page = open_page(site.address, width=390, dark=dark)
    answered(page, "payments abroad").locator("summary").click()
    page.locator("#open-person").click()
    expect(page.get_by_label("E-mail or phone number")).to_be_in_viewport()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
