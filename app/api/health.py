"""Whether the program runs, and whether it can serve."""

import logging
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Response

LOG = logging.getLogger(__name__)


def health_router(checks: Mapping[str, Callable[[], object]]) -> APIRouter:
    """`checks` name what serving depends on; one that raises makes the program not ready."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    def readiness(response: Response) -> dict[str, object]:
        """Everything that serving depends on works (200), or not (503). Reasons go to the log only."""
        results = {name: _passes(name, check) for name, check in checks.items()}
        ready = all(results.values())
        response.status_code = 200 if ready else 503
        return {
            "status": "ready" if ready else "not ready",
            "checks": {name: "ok" if passed else "failed" for name, passed in results.items()},
        }

    return router


def _passes(name: str, check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:
        LOG.exception("the readiness check %r failed", name)
        return False
    return True
