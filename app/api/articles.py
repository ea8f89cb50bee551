"""The push endpoint: programs send articles, with a key that has the scope articles:write."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from app.api.errors import ERRORS, ErrorBody
from app.domain.errors import InvalidInput
from app.domain.news import FeedItem
from app.services.pushing import Pushing

MAX_ARTICLES = 100
MAX_BYTES = 2_000_000
MAX_TEXT_CHARS = 200_000
_MAX_URL = 2000


class PushedArticle(BaseModel):
    """An article as it is sent. One without an address is known by its title and text."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    title: str = Field(min_length=1, max_length=1000)
    text: str = Field("", max_length=MAX_TEXT_CHARS)
    url: str = Field("", max_length=_MAX_URL)
    published_at: AwareDatetime | None = Field(None, description="with its offset; now, where missing or ahead")
    outlet: str = Field("", max_length=200)

    @field_validator("url")
    @classmethod
    def _of_the_web(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or not value.isprintable()):
            raise ValueError("an address begins with http:// or https://; leave it out where there is none")
        return value


class Taken(BaseModel):
    """What became of the articles sent."""

    received: int
    new: int
    known: int = Field(description="known already, or repeating another article")


class Sender(Protocol):
    """Who sends: a key, or an account."""

    @property
    def name(self) -> str: ...


_ONE_OR_MORE: TypeAdapter[PushedArticle | list[PushedArticle]] = TypeAdapter(PushedArticle | list[PushedArticle])
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"oneOf": [
            PushedArticle.model_json_schema(),
            {"type": "array", "maxItems": MAX_ARTICLES, "items": PushedArticle.model_json_schema()},
        ]}}},
    }
}  # fmt: skip


def articles_router(pushing: Pushing, sender: Callable[..., Sender]) -> APIRouter:
    """`sender` is a dependency that finds who sends, or raises AccessDenied (401) or RoleMissing (403)."""
    too_large: dict[int | str, dict[str, Any]] = {
        413: {"model": ErrorBody, "description": "More than one request may hold"}
    }
    router = APIRouter(tags=["news"], responses={**ERRORS, **too_large})

    @router.post("/api/articles", response_model=Taken, openapi_extra=_BODY, include_in_schema=False)
    @router.post("/api/v1/articles", response_model=Taken, openapi_extra=_BODY)
    async def push_articles(request: Request, who: Annotated[Sender, Depends(sender)]) -> Response | Taken:
        """Send one article or a list. They are classified and stored when this answers; repeats do no harm."""
        body = await _limited(request)
        if body is None:
            return _too_large(f"The request is larger than {MAX_BYTES:,} bytes.")
        articles = _parsed(body)
        if len(articles) > MAX_ARTICLES:
            return _too_large(f"{len(articles)} articles are more than the {MAX_ARTICLES} of one request.")
        items = [FeedItem(a.url, " ".join(a.title.split()), a.text, a.published_at, a.outlet) for a in articles]
        new, known = await to_thread.run_sync(pushing.take, who.name, items)
        return Taken(received=len(items), new=new, known=known)

    return router


def _too_large(message: str) -> Response:
    return JSONResponse({"error": f"{message} Send fewer at once."}, 413)


async def _limited(request: Request) -> bytes | None:
    """The body; None as soon as it is too large, whatever its length was said to be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            return None
    return bytes(body)


def _parsed(body: bytes) -> Sequence[PushedArticle]:
    """Raises InvalidInput (422) with the place and the reason of the first mistake."""
    try:
        given = _ONE_OR_MORE.validate_json(body)
    except ValidationError as error:
        # Of a union every member complains; the one that got furthest knows most.
        first = max(error.errors(include_url=False), key=lambda problem: len(problem["loc"]))
        place = ".".join(str(part) for part in first["loc"] if not isinstance(part, str) or part.islower())
        raise InvalidInput(f"{place or 'body'}: {first['msg']}") from error
    return given if isinstance(given, list) else [given]
