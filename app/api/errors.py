"""Errors as JSON: {"error": what happened and what to do}; below /v1 in the shape that OpenAI's clients read."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.domain.errors import (
    AccessDenied,
    AppError,
    Busy,
    ConfigurationError,
    Conflict,
    DeliveryError,
    InvalidInput,
    KnowledgeError,
    ModelError,
    NotFound,
    RequestRefused,
    RoleMissing,
    SourceError,
    StorageUnavailable,
    TooManyRequests,
)

LOG = logging.getLogger(__name__)
UNEXPECTED = "Something failed; the server's log has the details. Try again."

# The first class that fits decides, so a subclass stands before its base.
_STATUS: tuple[tuple[type[AppError], int], ...] = (
    (RoleMissing, 403),
    (RequestRefused, 403),
    (AccessDenied, 401),
    (NotFound, 404),
    (Conflict, 409),
    (InvalidInput, 422),
    (TooManyRequests, 429),
    (Busy, 503),
    (SourceError, 502),
    (DeliveryError, 502),
    (ModelError, 503),
    (KnowledgeError, 503),
    (StorageUnavailable, 503),
    (ConfigurationError, 500),
    (AppError, 400),
)
# What OpenAI's own service says.
_OPENAI_CODES = {
    401: "invalid_api_key",
    403: "insufficient_permissions",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}


class ErrorBody(BaseModel):
    """What happened and what to do."""

    error: str


# For the routers: what the interactive page and the schema say of errors.
ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorBody, "description": "No valid key or session"},
    403: {"model": ErrorBody, "description": "The key's scopes or the account's role do not reach"},
    422: {"model": ErrorBody, "description": "The request cannot be used as it is"},
    429: {"model": ErrorBody, "description": "Too often; see the Retry-After header"},
    503: {"model": ErrorBody, "description": "Too much is asked at this moment, or a part is not available"},
}
GONE: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "Nothing has this id"}}
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": ErrorBody, "description": "Fits not what is stored"}}


def status_of(error: AppError) -> int:
    """The HTTP status that fits an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def openai_error(message: str, status: int) -> dict[str, Any]:
    """The body of an error as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    if status == 429:
        kind = "rate_limit_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": _OPENAI_CODES.get(status)}}


def error_response(
    request: Request, message: str, status: int, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error in the shape that the path's clients expect."""
    if request.url.path.startswith("/v1/"):
        status = 400 if status == 422 else status
        return JSONResponse(openai_error(message, status), status, headers)
    return JSONResponse({"error": message}, status, headers)


def install_error_responses(app: FastAPI) -> None:
    """Answer AppErrors, unusable requests and defects with the one JSON shape."""

    @app.exception_handler(AppError)
    async def app_error(request: Request, error: AppError) -> JSONResponse:
        headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Busy) else {}
        status = status_of(error)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return error_response(request, str(error), status, headers)

    @app.exception_handler(RequestValidationError)
    async def unusable_request(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return error_response(request, f"{where}: {first['msg']}", 422)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return error_response(request, str(error.detail), error.status_code, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def defect(request: Request, _error: Exception) -> JSONResponse:
        return error_response(request, UNEXPECTED, 500)
