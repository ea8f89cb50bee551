"""Errors as JSON: {"error": what happened and what to do}."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from app.domain.errors import (
    AccessDenied,
    AppError,
    ConfigurationError,
    Conflict,
    DeliveryError,
    InvalidInput,
    KnowledgeError,
    ModelError,
    NotFound,
    RoleMissing,
    SourceError,
)

# The first class that fits decides, so a subclass stands before its base.
_STATUS: tuple[tuple[type[AppError], int], ...] = (
    (RoleMissing, 403),
    (AccessDenied, 401),
    (NotFound, 404),
    (Conflict, 409),
    (InvalidInput, 422),
    (SourceError, 502),
    (DeliveryError, 502),
    (ModelError, 503),
    (KnowledgeError, 503),
    (ConfigurationError, 500),
    (AppError, 400),
)


def status_of(error: AppError) -> int:
    """The HTTP status that fits an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def install_error_responses(app: FastAPI) -> None:
    """Answer AppErrors and unusable requests with the one JSON shape."""

    @app.exception_handler(AppError)
    async def app_error(_request: Request, error: AppError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_of(error))

    @app.exception_handler(RequestValidationError)
    async def unusable_request(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return JSONResponse({"error": f"{where}: {first['msg']}"}, 422)
