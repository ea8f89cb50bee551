"""The places that articles come from."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.news import Source
from app.storage.database import Database, affected_rows
from app.storage.tables import SourceRow

KINDS = ("auto", "feed", "page")
MAX_URL = 2000


class Sources:
    """Sources, and how the last visit to each went."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, source_id: int) -> Source:
        """One source. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(SourceRow, source_id)
        if row is None:
            raise _unknown(source_id)
        return _source(row)

    def add(
        self, name: str, url: str, kind: str = "auto", interval_minutes: int = 15, sample: bool = False
    ) -> Source:
        """Add an enabled source. Raises InvalidInput for what cannot be fetched, Conflict for a known address."""
        url = _checked(url)
        if kind not in KINDS:
            raise InvalidInput(f"A source is one of {', '.join(KINDS)}, not {kind!r}.")
        if interval_minutes < 1:
            raise InvalidInput("A source is visited at most once a minute: set an interval of 1 or more.")
        row = SourceRow(
            name=name.strip() or urlsplit(url).hostname or url,
            url=url,
            kind=kind,
            interval_minutes=interval_minutes,
            sample=sample,
        )
        try:
            with self._database.session() as session:
                session.add(row)
        except IntegrityError as error:
            raise Conflict(f"The source {url} is already on the list.") from error
        return _source(row)

    def set_enabled(self, source_id: int, enabled: bool) -> None:
        """Switch visits on or off. Raises NotFound."""
        with self._database.session() as session:
            change = update(SourceRow).where(SourceRow.id == source_id).values(enabled=enabled)
            if not affected_rows(session, change):
                raise _unknown(source_id)

    def remove(self, source_id: int) -> None:
        """Forget a source; its articles stay. Raises NotFound."""
        with self._database.session() as session:
            if not affected_rows(session, delete(SourceRow).where(SourceRow.id == source_id)):
                raise _unknown(source_id)

    def record_success(
        self, source_id: int, now: datetime, count: int, etag: str = "", last_modified: str = ""
    ) -> None:
        """Note a visit that gave `count` articles. A source removed meanwhile is no error."""
        values = {"last_count": count, "etag": etag, "last_modified": last_modified, "last_error": ""}
        with self._database.session() as session:
            change = update(SourceRow).where(SourceRow.id == source_id)
            session.execute(change.values(last_fetched_at=now, failing_since=None, **values))

    def record_failure(self, source_id: int, now: datetime, error: str) -> None:
        """Note a visit that failed; `failing_since` keeps the first failure of an unbroken row."""
        with self._database.session() as session:
            row = session.get(SourceRow, source_id, with_for_update=True)
            if row is not None:
                row.last_fetched_at, row.last_error, row.last_count = now, error, 0
                row.failing_since = row.failing_since or now

    def due(self, now: datetime) -> list[Source]:
        """Enabled sources whose interval has passed since their last visit, good or bad."""
        return [source for source in self.list() if source.enabled and _is_due(source, now)]

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[Source]:
        """All sources by name."""
        with self._database.reading() as session:
            return [_source(row) for row in session.scalars(select(SourceRow).order_by(SourceRow.name))]


def _is_due(source: Source, now: datetime) -> bool:
    last = source.last_fetched_at
    return last is None or last + timedelta(minutes=source.interval_minutes) <= now


def _checked(url: str) -> str:
    """The address without surrounding space. Raises InvalidInput unless it is http(s) with a host, or a file."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) if parts.scheme in ("http", "https") else parts.scheme == "file"
    except ValueError as error:
        raise InvalidInput(f"{url!r:.200} is not an address: {error}.") from error
    if not usable or any(character.isspace() or not character.isprintable() for character in url):
        raise InvalidInput(f"{url!r:.200} is not an address that begins with http:// or https://.")
    if len(url) > MAX_URL:
        raise InvalidInput(f"The address is longer than {MAX_URL} characters.")
    return url


def _unknown(source_id: int) -> NotFound:
    return NotFound(f"There is no source {source_id}; it may have been removed.")


def _source(row: SourceRow) -> Source:
    return Source(
        id=row.id,
        name=row.name,
        url=row.url,
        kind=row.kind,
        enabled=row.enabled,
        sample=row.sample,
        interval_minutes=row.interval_minutes,
        last_fetched_at=row.last_fetched_at,
        last_error=row.last_error,
        last_count=row.last_count,
        failing_since=row.failing_since,
        etag=row.etag,
        last_modified=row.last_modified,
    )
