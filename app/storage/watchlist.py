"""The companies on watch."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.watchlist import KINDS, MAX_NAME, WatchedCompany, WatchedName
from app.storage.audit import record
from app.storage.database import Database, affected_rows
from app.storage.tables import EntityRow

COLUMNS = ("company", "name", "kind", "case_sensitive", "needs", "safe")
_YES = {"1", "yes", "true", "y"}


class Watchlist:
    """Companies with their names. Every change is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, company_id: int) -> WatchedCompany:
        """One company. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(EntityRow, company_id)
        if row is None:
            raise _unknown(company_id)
        return _company(row)

    def add(
        self,
        name: str,
        now: datetime,
        names: Sequence[WatchedName] = (),
        actor: str = "system",
        sample: bool = False,
    ) -> WatchedCompany:
        """Put a company on watch. Raises InvalidInput for a bad name, Conflict when it is there already."""
        row = EntityRow(name=_checked(name), names=_names(names), enabled=True, sample=sample)
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                record(session, now, actor, "add", "entity", row.id, name=row.name)
        except IntegrityError as error:
            raise Conflict(f"{row.name} is on the watchlist already; change that entry.") from error
        return _company(row)

    def update(
        self,
        company_id: int,
        now: datetime,
        names: Sequence[WatchedName] | None = None,
        enabled: bool | None = None,
        actor: str = "system",
    ) -> WatchedCompany:
        """Change a company's other names, or switch it on or off; None leaves either. Raises NotFound."""
        values: dict[str, Any] = {} if names is None else {"names": _names(names)}
        if enabled is not None:
            values["enabled"] = enabled
        with self._database.session() as session:
            if values and not affected_rows(
                session, update(EntityRow).where(EntityRow.id == company_id).values(**values)
            ):
                raise _unknown(company_id)
            record(session, now, actor, "change", "entity", company_id, **values)
        return self.get(company_id)

    def remove(self, company_id: int, now: datetime, actor: str = "system") -> None:
        """Take a company off the watchlist; articles forget that they name it. Raises NotFound."""
        with self._database.session() as session:
            row = session.get(EntityRow, company_id)
            if row is None:
                raise _unknown(company_id)
            record(session, now, actor, "remove", "entity", company_id, name=row.name)
            session.delete(row)

    def import_companies(
        self, companies: Sequence[tuple[str, Sequence[WatchedName]]], now: datetime, actor: str = "system",
        sample: bool = False,
    ) -> list[WatchedCompany]:  # fmt: skip
        """Add each company that is new and give the others these names, all or none; return those that changed.

        As a `sample`, companies that are there already stay as they are.
        """
        changed = []
        with self._database.session() as session:
            known = {row.name: row for row in session.scalars(select(EntityRow))}
            for name, names in companies:
                row, listed = known.get(_checked(name)), _names(names)
                if row is None:
                    row = known[name] = EntityRow(name=_checked(name), names=listed, enabled=True, sample=sample)
                    session.add(row)
                    session.flush()
                    record(session, now, actor, "add", "entity", row.id, name=row.name)
                elif sample or row.names == listed:
                    continue
                else:
                    row.names, row.sample = listed, False
                    record(session, now, actor, "change", "entity", row.id, names=listed)
                changed.append(_company(row))
        return changed

    def remove_sample(self) -> int:
        """Take off the sample's companies; return how many they were."""
        with self._database.session() as session:
            return affected_rows(session, delete(EntityRow).where(EntityRow.sample))

    def list(self, enabled_only: bool = False) -> list[WatchedCompany]:
        """The companies by name."""
        query = select(EntityRow).order_by(EntityRow.name)
        if enabled_only:
            query = query.where(EntityRow.enabled)
        with self._database.reading() as session:
            return [_company(row) for row in session.scalars(query)]


def read_watchlist(content: bytes, where: str) -> list[tuple[str, list[WatchedName]]]:
    """The companies of a CSV file, a name a row: company, and name, kind, case_sensitive, needs, safe where given.

    `needs` separates words by ";". A row with no name, or the company's own, puts the company itself on the list.
    Raises InvalidInput naming the line.
    """
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{where} is not a CSV file in UTF-8: {error}.") from error
    if "company" not in (reader.fieldnames or ()):
        raise InvalidInput(f"{where}: expected the columns {', '.join(COLUMNS)}; all but the first may be missing.")
    companies: dict[str, list[WatchedName]] = {}
    for line, row in rows:
        company = (row["company"] or "").strip()
        if not company:
            raise InvalidInput(f"{where}, line {line}: the company is missing.")
        names = companies.setdefault(company, [])
        try:
            _checked(company)
            if name := _read_name(row):
                names.append(name)
                _names(names)
        except InvalidInput as error:
            raise InvalidInput(f"{where}, line {line}: {error}") from error
    if not companies:
        raise InvalidInput(f"{where} holds no company.")
    return list(companies.items())


def _read_name(row: dict[str, str | None]) -> WatchedName | None:
    cell = {column: (row.get(column) or "").strip() for column in COLUMNS}
    if not cell["name"]:
        return None
    needs = tuple(word.strip() for word in cell["needs"].split(";") if word.strip())
    sensitive, safe = cell["case_sensitive"].lower() in _YES, cell["safe"].lower() in _YES
    return WatchedName(cell["name"], cell["kind"].lower() or "name", sensitive, needs, safe)


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 1 < len(name) <= MAX_NAME:
        raise InvalidInput(f"A name on the watchlist has 2 to {MAX_NAME} characters, not {name!r:.120}.")
    return name


def _names(names: Sequence[WatchedName]) -> list[dict[str, Any]]:
    """Names as the row holds them. Raises InvalidInput."""
    for name in names:
        if name.kind not in KINDS:
            raise InvalidInput(f"A name is one of {', '.join(KINDS)}, not {name.kind!r}.")
        if name.kind == "ticker" and (name.text != name.text.upper() or not name.text.strip()):
            raise InvalidInput(f"A ticker is written in capitals, not {name.text!r:.40}.")
    return [
        {
            "text": name.text.strip() if name.kind == "ticker" else _checked(name.text),
            "kind": name.kind,
            "case_sensitive": name.case_sensitive,
            "needs": [*name.needs],
            "safe": name.safe,
        }
        for name in names
    ]


def _company(row: EntityRow) -> WatchedCompany:
    names = tuple(
        WatchedName(name["text"], name["kind"], name["case_sensitive"], tuple(name["needs"]), name["safe"])
        for name in row.names
    )
    return WatchedCompany(row.id, row.name, names, row.enabled, row.sample)


def _unknown(company_id: int) -> NotFound:
    return NotFound(f"There is no company {company_id} on the watchlist; the list may have changed.")
