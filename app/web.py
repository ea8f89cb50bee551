"""The one web application: API, sign-in, the analysts' page at /analyst, the customers' chat at /."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import text
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import AccessGuard, Sessions
from app.api.errors import install_error_responses
from app.api.health import health_router
from app.api.news import news_router
from app.api.session import session_router
from app.domain.errors import AccessDenied
from app.services.accounts import AccountService
from app.storage.database import Database
from app.ui.analyst_dashboard import DeskServices, build_dashboard
from app.ui.customer_chat import ChatServices, build_chat
from app.ui.sign_in import SignInPages
from app.ui.theme import CSS, HEAD, THEME
from app.ui.views import Views

DASHBOARD = "/analyst"

# Gradio evaluates its component templates and styles elements inline; no other host is ever named.
_CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)


class WebServices(DeskServices, ChatServices, Protocol):
    """The part of the composed services that the web application needs."""

    @property
    def database(self) -> Database: ...
    @property
    def accounts(self) -> AccountService: ...


def create_app(services: WebServices, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> FastAPI:
    """Everything under one roof. Mounted last, the chat answers every path that nobody else does."""
    settings = services.settings
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # The interactive API pages would load scripts from a foreign host.
    app = FastAPI(title="Bellwether", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    sessions = Sessions(services.accounts)
    app.state.sessions = sessions
    install_error_responses(app)
    app.include_router(health_router({"database": lambda: _ask_database(services.database)}))
    app.include_router(
        session_router(
            services.accounts,
            SignInPages(Views(settings.time_zone)),
            settings.secure_cookies,
            settings.public_url,
        )
    )
    app.include_router(news_router(services.articles, services.alerts, services.classifier, clock))
    app.add_api_route(DASHBOARD, lambda: RedirectResponse(DASHBOARD + "/", 307), include_in_schema=False)
    app.add_middleware(AccessGuard, prefix=DASHBOARD, sessions=sessions, public_url=settings.public_url)
    app.add_middleware(SafetyHeaders)
    _mount(app, build_dashboard(services, sessions.analyst, clock), DASHBOARD, _user_of(sessions))
    _mount(app, build_chat(services), "/", None)
    return app


def _mount(app: FastAPI, page: gr.Blocks, path: str, user_of: Callable[[Request], str | None] | None) -> None:
    gr.mount_gradio_app(
        app,
        page,
        path,
        auth_dependency=user_of,
        theme=THEME,
        css=CSS,
        head=HEAD,
        footer_links=[],
        run_history=False,  # it would keep visitors' conversations in the browser
        show_error=False,
        max_file_size="1kb",  # no page takes files
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
    )


def _user_of(sessions: Sessions) -> Callable[[Request], str | None]:
    """Gradio's own check, behind the guard's."""

    def user_of(request: Request) -> str | None:
        try:
            return sessions.analyst(request).username
        except AccessDenied:
            return None

    return user_of


def _ask_database(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))


class SafetyHeaders:
    """Adds to every answer what keeps a browser from doing more than the pages need."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _CONTENT_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
