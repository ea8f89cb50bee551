"""Whether the program runs, whether it can serve, and its numbers."""

import logging
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials

from app.api.errors import ERRORS
from app.api.permissions import BEARER, SESSION, needs
from app.services.metrics import Metrics

LOG = logging.getLogger(__name__)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_router(checks: Mapping[str, Callable[[], str]]) -> APIRouter:
    """`checks` name what serving depends on; each gives what is missing, or an empty text."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "Something is missing; `checks` says what"}})
    def readiness(response: Response) -> dict[str, object]:
        """Everything that serving depends on is there (200), or something is missing (503)."""
        results = {name: _missing(name, check) for name, check in checks.items()}
        ready = not any(results.values())
        response.status_code = 200 if ready else 503
        return {
            "status": "ready" if ready else "not ready",
            "checks": {name: missing or "ok" for name, missing in results.items()},
        }

    return router


def metrics_router(metrics: Metrics, open_to_all: bool) -> APIRouter:
    """Numbers for Prometheus, for a key with the scope metrics:read unless they are open to all."""
    router = APIRouter(tags=["health"])
    admit = needs("metrics:read")

    def allowed(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
        session: Annotated[str | None, Depends(SESSION)],
    ) -> None:
        if not open_to_all:
            admit(request, bearer, session)

    @router.get(
        "/metrics",
        dependencies=[Depends(allowed)],
        response_class=Response,
        responses={**ERRORS, 200: {"content": {METRICS_TYPE: {"schema": {"type": "string"}}}}},
    )
    def numbers() -> Response:
        """Counts and durations in Prometheus' text format."""
        return Response(metrics.text(), headers={"Content-Type": METRICS_TYPE})

    return router


def _missing(name: str, check: Callable[[], str]) -> str:
    """What is missing. The reason of a check that fails goes to the log only: it may name hosts."""
    try:
        return check()
    except Exception:
        LOG.exception("the readiness check %r failed", name)
        return "failed"
