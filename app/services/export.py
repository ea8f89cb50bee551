"""What the application knows, as files that other programs read."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from app.domain.errors import InvalidInput
from app.domain.exports import TABLES, Column, Row
from app.integrations.table_files import FORMATS, Write
from app.storage.articles import Articles
from app.storage.exports import ExportRows

_HOUR = timedelta(hours=1)
Formats = Mapping[str, Callable[[Path, Sequence[Column]], AbstractContextManager[Write]]]


class Export:
    """Writes tables into files, in batches."""

    def __init__(self, articles: Articles, rows: ExportRows, formats: Formats = FORMATS) -> None:
        self._articles, self._rows, self._formats = articles, rows, formats

    def write(
        self,
        what: str,
        format: str,
        output: Path,
        since: datetime | None = None,
        until: datetime | None = None,
        bucket_hours: int = 1,
    ) -> int:
        """Write a table of TABLES with what is dated from `since` on and before `until`; return its rows.

        Articles are dated by publication, alerts by detection. Trends are counts of stories by sentiment in
        spans of `bucket_hours`: of all, of each topic, of each company; spans without any are left out. The
        file appears when it is complete. Raises InvalidInput for a table, a format or a span that there is not.
        """
        if what not in TABLES or format not in self._formats:
            raise InvalidInput(f"Choose one of {', '.join(TABLES)} as one of {', '.join(self._formats)}.")
        if bucket_hours < 1 or (since and until and since >= until):
            raise InvalidInput("The span must begin before it ends, and be cut into whole hours.")
        sources: Mapping[str, Callable[[], Iterator[Sequence[Row]]]] = {
            "articles": lambda: self._rows.articles(since, until),
            "alerts": lambda: self._rows.alerts(since, until),
            "audit": lambda: self._rows.audit(since, until),
            "trends": lambda: self._trends(since, until, bucket_hours),
        }
        written = 0
        with _complete_or_not(output) as path, self._formats[format](path, TABLES[what]) as write:
            for batch in sources[what]():
                write(batch)
                written += len(batch)
        return written

    def _trends(self, since: datetime | None, until: datetime | None, bucket_hours: int) -> Iterator[Sequence[Row]]:
        span = self._rows.span()
        if span is None:
            return
        begin, end = since or _whole_hour(span[0]), until or _whole_hour(span[1]) + _HOUR
        if begin >= end:
            return
        topics, companies = self._rows.series()
        for topic, entity in [("", ""), *((t, "") for t in topics), *(("", e) for e in companies)]:
            points = self._articles.trend(begin, end, bucket_hours, topic or None, entity or None)
            yield [
                {
                    "start": point.start,
                    "topic": topic,
                    "entity": entity,
                    "negative": point.negative,
                    "neutral": point.neutral,
                    "positive": point.positive,
                }
                for point in points
                if point.total
            ]


def _whole_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


@contextmanager
def _complete_or_not(output: Path) -> Iterator[Path]:
    """A file beside `output` that takes its place if the block ends well, and goes otherwise."""
    path = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    try:
        yield path
        path.replace(output)
    finally:
        path.unlink(missing_ok=True)
