"""The customers' chat in other sites' pages: one script tag there, an allow-list of origins here."""

from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

_SCRIPT = Path(__file__).parent / "widget.js"
_FRAMERS = "frame-ancestors 'self'"


def widget_router() -> APIRouter:
    """The script that other pages include."""
    router = APIRouter(include_in_schema=False)

    @router.get("/widget.js")
    def get_widget() -> FileResponse:
        return FileResponse(_SCRIPT, media_type="text/javascript", headers={"Cache-Control": "max-age=3600"})

    return router


def framed_by(policy: str, origins: Iterable[str]) -> str:
    """A Content-Security-Policy that lets pages of these origins frame the answer (CSP level 3, 6.4.2)."""
    return policy.replace(_FRAMERS, " ".join([_FRAMERS, *origins]))
