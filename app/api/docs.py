"""The interactive page of the API, from files of this machine alone."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response

from app.domain.errors import NotFound

DOCS = "/api/docs"
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}


def docs_router(app: FastAPI) -> APIRouter:
    """The page at /api/docs and the three files that it loads, which the package fastapi-offline brings."""
    router = APIRouter(include_in_schema=False)
    folder = _files()

    @router.get(DOCS)
    def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=f"{app.title} API",
            swagger_js_url=f"{DOCS}/swagger-ui-bundle.js",
            swagger_css_url=f"{DOCS}/swagger-ui.css",
            swagger_favicon_url=f"{DOCS}/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},  # it would send the schema to a foreign host
        )

    @router.get(DOCS + "/{name}")
    def file(name: str) -> Response:
        if name not in _FILES:
            raise NotFound("There is no such file.")
        return FileResponse(folder / name, media_type=_FILES[name], headers={"Cache-Control": "max-age=86400"})

    return router


def _files() -> Path:
    """Where the package keeps them; it is not imported, since it would make an application of its own."""
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"
