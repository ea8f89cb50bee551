"""Tables as files to take away: CSV, JSON, Parquet; and the corrected sentiments as rows to train on."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from app.api.errors import ERRORS
from app.api.permissions import needs
from app.services.export import Export
from app.storage.article_corrections import ArticleCorrections, training_row

_MEDIA = {"csv": "text/csv; charset=utf-8", "json": "application/json", "parquet": "application/vnd.apache.parquet"}


class Table(StrEnum):
    """What may be taken out by whoever reads the news. The audit record is left to the operator's command."""

    ARTICLES = "articles"
    TRENDS = "trends"
    ALERTS = "alerts"


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


Moment = Annotated[datetime | None, Query(description="Without a zone, in UTC")]


def exports_router(export: Export, corrections: ArticleCorrections) -> APIRouter:
    """Needs the scope articles:read."""
    router = APIRouter(
        prefix="/api/v1/exports", tags=["exports"], responses=ERRORS, dependencies=[Depends(needs("articles:read"))]
    )

    @router.get("/corrections.jsonl", response_class=StreamingResponse)
    def get_corrections() -> StreamingResponse:
        """The sentiments that analysts corrected: text, label and topic, one JSON object a line."""
        return StreamingResponse(
            _lines(corrections), media_type="application/x-ndjson", headers=_saved_as("corrections.jsonl")
        )

    @router.get("/{what}.{format}", response_class=FileResponse)
    def get_table(
        what: Table,
        format: Format,
        since: Moment = None,
        until: Moment = None,
        bucket_hours: Annotated[int, Query(ge=1, le=168, description="Length of a span of trends")] = 24,
    ) -> FileResponse:
        """All rows of a table that are dated from `since` on and before `until`."""
        folder = Path(tempfile.mkdtemp(prefix="export-"))
        path = folder / f"{what.value}.{format.value}"
        try:
            export.write(what.value, format.value, path, _aware(since), _aware(until), bucket_hours)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        gone = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        return FileResponse(path, media_type=_MEDIA[format], filename=path.name, background=gone)

    return router


def _lines(corrections: ArticleCorrections) -> Iterator[str]:
    return (json.dumps(training_row(row), ensure_ascii=False) + "\n" for row in corrections.all())


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _aware(moment: datetime | None) -> datetime | None:
    """A time in UTC; one that no calendar holds there is left as near as it comes."""
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)
