"""The one web application: API, sign-in, the analysts' page at /analyst, the customers' chat at /."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import Sessions
from app.api.account import account_router
from app.api.alerts import alerts_router
from app.api.answering import Answering
from app.api.articles import articles_router
from app.api.chat import chat_router
from app.api.docs import docs_router
from app.api.errors import install_error_responses
from app.api.exports import exports_router
from app.api.guard import AccessGuard
from app.api.health import health_router, metrics_router
from app.api.mail_links import mail_links_router
from app.api.middleware import BodyLimit, RequestNumbers, VisitorCookie
from app.api.news import classify_router, news_router
from app.api.openai_form import openai_router
from app.api.permissions import Gate, needs
from app.api.session import session_router
from app.api.sources import sources_router
from app.domain.accounts import Account, AccountRole
from app.domain.errors import AccessDenied
from app.services.export import Export
from app.services.knowledge_files import MAX_DOCUMENT_BYTES
from app.services.limits import Limits
from app.services.mail_links import MailLinks
from app.services.metrics import Metrics
from app.services.pushing import Pushing
from app.services.queueing import ChatQueue
from app.services.readiness import Check
from app.ui.agent.fragments import AgentServices
from app.ui.agent_inbox import build_agent_inbox
from app.ui.analyst_dashboard import DeskServices, build_dashboard
from app.ui.customer_chat import ChatServices, build_chat
from app.ui.mail_pages import MailPages
from app.ui.operations.room import OperationsServices
from app.ui.operations_page import build_operations_page
from app.ui.sign_in import SignInPages
from app.ui.theme import CSS, HEAD, THEME
from app.ui.views import Views
from app.ui.widget import framed_by, widget_router

DASHBOARD = "/analyst"
INBOX = "/agent"
OPERATIONS = "/operations"
NO_FILES = 1000  # bytes of an upload to a page that takes none
_FORMS = ("/sign-in", "/sign-out", "/password", "/sessions", "/mail/")

# Gradio evaluates its component templates and styles elements inline; no other host is ever named.
_CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)


class WebServices(DeskServices, ChatServices, AgentServices, OperationsServices, Protocol):
    """The part of the composed services that the web application needs."""

    @property
    def pushing(self) -> Pushing: ...
    @property
    def export(self) -> Export: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def chat_queue(self) -> ChatQueue: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def readiness(self) -> Mapping[str, Check]: ...

    def count_tokens(self, text: str) -> int:
        """How many tokens of the model a text has."""
        ...

    @property
    def mail_links(self) -> MailLinks: ...


def create_app(services: WebServices, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> FastAPI:
    """Everything under one roof. Mounted last, the chat answers every path that nobody else does."""
    settings = services.settings
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Gradio asks matplotlib at every event; undecided, it would load all its parts before the first reply.
    os.environ.setdefault("MPLBACKEND", "agg")
    # FastAPI's own interactive pages would load scripts from a foreign host; see app.api.docs.
    app = FastAPI(title="Bellwether", version="1", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    sessions = Sessions(services.accounts, settings.public_url)
    app.state.sessions = sessions
    app.state.gate = Gate(sessions, services.api_keys, services.limits)
    install_error_responses(app)
    _include_api(app, services, sessions, clock)
    app.include_router(
        session_router(
            services.accounts,
            SignInPages(Views(settings.time_zone)),
            services.limits,
            settings.secure_cookies,
            settings.public_url,
        )
    )
    pages = MailPages(Views(settings.time_zone), services.classifier.titles)
    app.include_router(mail_links_router(services.mail_links, pages))
    app.include_router(widget_router())
    app.add_api_route(DASHBOARD, lambda: RedirectResponse(DASHBOARD + "/", 307), include_in_schema=False)
    app.add_api_route(INBOX, lambda: RedirectResponse(INBOX + "/", 307), include_in_schema=False)
    app.add_api_route(OPERATIONS, lambda: RedirectResponse(OPERATIONS + "/", 307), include_in_schema=False)
    # The last one added meets a request first.
    app.add_middleware(BodyLimit, limit=settings.max_request_bytes, prefixes=("/api/", "/v1/", *_FORMS))
    app.add_middleware(AccessGuard, sessions=sessions, public_url=settings.public_url)
    app.add_middleware(VisitorCookie, visitors=services.limits.visitors, secure=settings.secure_cookies)
    app.add_middleware(SafetyHeaders, widget_origins=settings.widget_origins)
    app.add_middleware(RequestNumbers, metrics=services.metrics)
    _mount(app, build_dashboard(services, sessions.analyst, clock), DASHBOARD, _user_of(sessions.analyst))
    agent = partial(sessions.require, role=AccountRole.AGENT)
    _mount(app, build_agent_inbox(services, agent), INBOX, _user_of(agent))
    administrator = partial(sessions.require, role=AccountRole.ADMINISTRATOR)
    operations = build_operations_page(services, administrator, clock)
    _mount(app, operations, OPERATIONS, _user_of(administrator), max_file_size=MAX_DOCUMENT_BYTES)
    _mount(app, build_chat(services), "/", None)
    return app


def _include_api(app: FastAPI, services: WebServices, sessions: Sessions, clock: Callable[[], datetime]) -> None:
    """What programs use, and the page that describes it."""
    settings, answering = services.settings, Answering(services.chat_queue)
    for router in (
        health_router(services.readiness),
        metrics_router(services.metrics, settings.open_metrics),
        chat_router(services.chat, answering),
        openai_router(services.chat, answering, services.count_tokens, clock),
        classify_router(services.classifier, settings.max_texts, settings.max_text_chars),
        news_router(services.articles, services.classifier, clock),
        alerts_router(services.alerts),
        sources_router(services.sources),
        exports_router(services.export, services.article_corrections),
        articles_router(services.pushing, needs("articles:write")),
        account_router(services.accounts, sessions),
        docs_router(app),
    ):
        app.include_router(router)


def _mount(
    app: FastAPI,
    page: gr.Blocks,
    path: str,
    user_of: Callable[[Request], str | None] | None,
    max_file_size: int = NO_FILES,
) -> None:
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
        max_file_size=max_file_size,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
    )


def _user_of(account_of: Callable[[Request], Account]) -> Callable[[Request], str | None]:
    """Gradio's own check, behind the guard's."""

    def user_of(request: Request) -> str | None:
        try:
            return account_of(request).username
        except AccessDenied:
            return None

    return user_of


class SafetyHeaders:
    """Adds to every answer what keeps a browser from doing more than the pages need.

    Only the customers' page may be shown inside pages of other origins, those of `widget_origins`.
    """

    def __init__(self, app: ASGIApp, widget_origins: Sequence[str] = ()) -> None:
        self._app = app
        self._chat_policy = framed_by(_CONTENT_POLICY, widget_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                chat = scope["path"] == "/"
                headers["Content-Security-Policy"] = self._chat_policy if chat else _CONTENT_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
