"""The pages behind the links of mails: ask, then do. They need no session; the signed link is the key.

Opening a link changes nothing, since mail scanners and previews open every link of a mail.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from app.api.errors import status_of
from app.domain.errors import AppError
from app.domain.subscriptions import Subscription
from app.services.mail_links import PAGES, MailLinks, Offer

MAX_FIELD_CHARS = 64


class Pages(Protocol):
    """Renders the pages. `notice` says that something was saved."""

    def confirm(self, offer: Offer, token: str) -> str: ...

    def done(self, offer: Offer, until: datetime | None) -> str: ...

    def settings(self, subscription: Subscription, token: str, saved: bool = False, message: str = "") -> str: ...

    def failed(self, message: str) -> str: ...


def mail_links_router(links: MailLinks, pages: Pages) -> APIRouter:
    """Paths under /mail. Times in forms are HH:MM."""
    router = APIRouter(prefix=PAGES, include_in_schema=False)

    @router.get("/alert/{token}")
    def show_offer(token: str) -> Response:
        try:
            return _page(pages.confirm(links.offer(token), token))
        except AppError as error:
            return _page(pages.failed(str(error)), status_of(error))

    @router.post("/alert/{token}")
    def follow(token: str, hours: Annotated[int, Form()] = 0) -> Response:
        try:
            offer = links.offer(token)
            return _page(pages.done(offer, links.follow(token, hours)))
        except AppError as error:
            return _page(pages.failed(str(error)), status_of(error))

    @router.get("/settings/{token}")
    def show_settings(token: str) -> Response:
        try:
            return _page(pages.settings(links.subscriber(token), token))
        except AppError as error:
            return _page(pages.failed(str(error)), status_of(error))

    @router.post("/settings/{token}")
    def change_settings(
        token: str,
        action: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "unsubscribe",
        one_click: Annotated[str, Form(alias="List-Unsubscribe", max_length=MAX_FIELD_CHARS)] = "",
        min_severity: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "",
        quiet_from: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "",
        quiet_until: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "",
        time_zone: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "",
        language: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "",
        digest: Annotated[str, Form(max_length=MAX_FIELD_CHARS)] = "",
    ) -> Response:
        """Save the form, or unsubscribe: that is what a mail program's own button posts (RFC 8058)."""
        try:
            before = links.subscriber(token)
        except AppError as error:
            return _page(pages.failed(str(error)), status_of(error))
        if one_click or action in ("unsubscribe", "subscribe"):
            wanted = replace(before, enabled=action == "subscribe" and not one_click)
        else:
            wanted = replace(
                before,
                min_severity=min_severity,
                quiet_from=quiet_from,
                quiet_until=quiet_until,
                time_zone=time_zone or before.time_zone,
                language=language or before.language,
                digest=digest,
            )
        try:
            return _page(pages.settings(links.choose(wanted), token, saved=True))
        except AppError as error:
            return _page(pages.settings(before, token, message=str(error)), status_of(error))

    return router


def _page(html: str, status: int = 200) -> Response:
    # The address of the page is a key: nobody it links to may learn it, and nobody keeps it.
    return HTMLResponse(html, status, {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"})
