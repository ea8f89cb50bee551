"""The places that articles come from."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.audit import SYSTEM
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.news import SOURCE_KINDS, Source
from app.storage.audit import record
from app.storage.database import Database, affected_rows
from app.storage.tables import SourceRow

MAX_URL = 2000
_SCHEMES = {"folder": ("file",), "push": ("push",)}
_OPTIONS = {"selector", "mapping", "glob", "days", "time_zone", "full_text", "ignore_robots"}


class Sources:
    """Sources, and how the last visit to each went. Every change that a person makes is recorded (`by`)."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._clock = database, clock

    def get(self, source_id: int) -> Source:
        """One source. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(SourceRow, source_id)
        if row is None:
            raise _unknown(source_id)
        return _source(row)

    def add(
        self,
        name: str,
        url: str,
        kind: str = "auto",
        interval_minutes: int = 15,
        sample: bool = False,
        options: Mapping[str, Any] | None = None,
        enabled: bool = True,
        by: str = SYSTEM,
    ) -> Source:
        """Add a source. Raises InvalidInput for what cannot be fetched, Conflict for a known address."""
        if kind not in SOURCE_KINDS:
            raise InvalidInput(f"A source is one of {', '.join(SOURCE_KINDS)}, not {kind!r}.")
        url, options = _checked(url, kind), _checked_options(kind, options or {})
        if interval_minutes < 1:
            raise InvalidInput("A source is visited at most once a minute: set an interval of 1 or more.")
        row = SourceRow(
            name=name.strip() or urlsplit(url).hostname or url,
            url=url,
            kind=kind,
            interval_minutes=interval_minutes,
            sample=sample,
            options=dict(options),
            enabled=enabled,
        )
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                record(session, self._clock(), by, "add", "source", row.id, url=url, kind=kind, options=row.options)
        except IntegrityError as error:
            raise Conflict(f"The source {url} is already on the list.") from error
        return _source(row)

    def set_enabled(self, source_id: int, enabled: bool, by: str = SYSTEM) -> None:
        """Switch visits on or off; a source that is switched on is due at once. Raises NotFound."""
        with self._database.session() as session:
            change = update(SourceRow).where(SourceRow.id == source_id).values(enabled=enabled)
            if not affected_rows(session, change.values(next_visit_at=None) if enabled else change):
                raise _unknown(source_id)
            record(session, self._clock(), by, "resume" if enabled else "pause", "source", source_id)

    def remove(self, source_id: int, by: str = SYSTEM) -> None:
        """Forget a source; its articles stay. Raises NotFound."""
        with self._database.session() as session:
            row = session.get(SourceRow, source_id)
            if row is None:
                raise _unknown(source_id)
            record(session, self._clock(), by, "remove", "source", source_id, url=row.url, name=row.name)
            session.execute(delete(SourceRow).where(SourceRow.id == source_id))

    def record_success(
        self,
        source_id: int,
        now: datetime,
        count: int,
        etag: str = "",
        last_modified: str = "",
        not_before: datetime | None = None,
    ) -> None:
        """Note a visit that gave `count` articles; the next is `not_before` a time that the server named, if any.

        A source removed meanwhile is no error.
        """
        values = {"last_count": count, "etag": etag, "last_modified": last_modified, "last_error": ""}
        values |= {"failures": 0, "next_visit_at": not_before}
        with self._database.session() as session:
            change = update(SourceRow).where(SourceRow.id == source_id)
            session.execute(change.values(last_fetched_at=now, failing_since=None, **values))

    def record_failure(self, source_id: int, now: datetime, error: str, not_before: datetime | None = None) -> None:
        """Note a visit that failed; `failing_since` keeps the first failure of an unbroken row.

        The next visit is `not_before` what circuit breaker or server ask for.
        """
        with self._database.session() as session:
            row = session.get(SourceRow, source_id, with_for_update=True)
            if row is not None:
                row.last_fetched_at, row.last_error, row.last_count = now, error, 0
                row.failing_since = row.failing_since or now
                row.failures, row.next_visit_at = row.failures + 1, not_before

    def due(self, now: datetime) -> list[Source]:
        """Enabled sources whose interval has passed since their last visit, good or bad, and any pause too."""
        return [source for source in self.list() if source.enabled and _is_due(source, now)]

    def pushed(self, key_name: str) -> Source:
        """The source that an API key writes to, made when it is first used."""
        url = f"push://{quote(key_name, safe='')}"
        with self._database.reading() as session:
            row = session.scalar(select(SourceRow).where(SourceRow.url == url))
        try:
            return _source(row) if row else self.add(key_name, url, kind="push")
        except Conflict:  # made by another request meanwhile
            return self.pushed(key_name)

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[Source]:
        """All sources by name."""
        with self._database.reading() as session:
            return [_source(row) for row in session.scalars(select(SourceRow).order_by(SourceRow.name))]


def _is_due(source: Source, now: datetime) -> bool:
    if source.kind == "push" or (source.next_visit_at and source.next_visit_at > now):
        return False
    last = source.last_fetched_at
    return last is None or last + timedelta(minutes=source.interval_minutes) <= now


def _checked(url: str, kind: str) -> str:
    """The address without surrounding space. Raises InvalidInput unless its scheme fits the kind of source."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        web = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = parts.scheme in _SCHEMES[kind] if kind in _SCHEMES else web or parts.scheme == "file"
    except ValueError as error:
        raise InvalidInput(f"{url!r:.200} is not an address: {error}.") from error
    if not usable or any(character.isspace() or not character.isprintable() for character in url):
        begins = f"{_SCHEMES[kind][0]}://" if kind in _SCHEMES else "http:// or https://"
        raise InvalidInput(f"{url!r:.200} is not an address that begins with {begins}.")
    if len(url) > MAX_URL:
        raise InvalidInput(f"The address is longer than {MAX_URL} characters.")
    return url


def _checked_options(kind: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises InvalidInput for options that no source has, and for a kind that lacks the one it needs."""
    if unknown := set(options) - _OPTIONS:
        raise InvalidInput(f"A source has no option {min(unknown)!r}; there are {', '.join(sorted(_OPTIONS))}.")
    if kind == "list" and not str(options.get("selector", "")).strip():
        raise InvalidInput("A list page needs a CSS selector that finds the links of its articles.")
    if kind == "json" and not options.get("mapping"):
        raise InvalidInput("A JSON source needs a mapping: the name of a ready one (gdelt), or its paths.")
    if not isinstance(options.get("days", 1), int | float) or options.get("days", 1) <= 0:
        raise InvalidInput("The option days is a number above 0.")
    return options


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
        options=row.options,
        failures=row.failures,
        next_visit_at=row.next_visit_at,
    )
