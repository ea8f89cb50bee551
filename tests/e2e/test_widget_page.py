"""The chat inside a page of another origin, in a real browser."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from scripted_answers import ScriptedResponder, ScriptedRetrieval

from app.config import load_settings
from app.services.chat import Chat, Thresholds
from app.services.limits import Limits, Rates
from app.services.queueing import ChatQueue
from app.services.visitors import Visitors
from app.storage.conversations import Conversations
from app.storage.database import open_database
from app.ui.customer_chat import build_chat
from app.ui.theme import CSS, HEAD, THEME
from app.ui.widget import widget_router
from app.web import SafetyHeaders

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def site_of_a_bank(script: list[str]) -> FastAPI:
    app = FastAPI()

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return f'<html lang="en"><h1>Bank</h1><script src="{script[0]}widget.js"></script></html>'

    return app


def test_chat_answers_in_a_listed_page_only(serve: Callable, open_page: Callable, tmp_path: Path) -> None:
    script: list[str] = []
    listed, other = serve(site_of_a_bank(script)), serve(site_of_a_bank(script))
    database = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    conversations = Conversations(database)
    thresholds = Thresholds(template=0.94, answer=0.86, clarify_margin=0.004)
    clock = lambda: datetime.now(UTC)  # noqa: E731
    services = SimpleNamespace(
        settings=load_settings(data_dir=tmp_path),
        chat=Chat(conversations, ScriptedRetrieval(), ScriptedResponder(), thresholds, clock),
        conversations=conversations,
        limits=Limits(Rates(), Visitors(b"key of the tests")),
        chat_queue=ChatQueue(2, 2),
    )
    app = FastAPI()
    app.include_router(widget_router())
    app.add_middleware(SafetyHeaders, widget_origins=[listed.rstrip("/")])
    script.append(
        serve(gr.mount_gradio_app(app, build_chat(services), "/", theme=THEME, css=CSS, head=HEAD, footer_links=[]))
    )

    page = open_page(listed, width=390)
    page.get_by_role("button", name="Chat with us").click()
    chat = page.frame_locator("iframe")
    chat.get_by_role("button", name="How do I open an account?").click()
    expect(chat.locator("#transcript article")).to_contain_text("it takes 10 minutes")
    page.get_by_role("button", name="Close chat").click()
    expect(page.locator("iframe")).to_be_hidden()

    refused = open_page(other)
    with refused.expect_event("console", lambda message: "frame-ancestors" in message.text):
        refused.get_by_role("button", name="Chat with us").click()
    expect(refused.frame_locator("iframe").locator("#transcript")).to_have_count(0)
    database.close()
