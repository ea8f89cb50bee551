"""Tables as files: CSV, JSON, Parquet. Rows are written as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain.errors import ConfigurationError
from app.domain.exports import Column, Kind, Row

Write = Callable[[Sequence[Row]], None]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a cell would be a formula for a spreadsheet
SEPARATOR = " | "  # of the items of a list in a CSV cell


@contextmanager
def csv_file(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    """UTF-8 with a header; times in ISO 8601. No text becomes a formula: one that looks so gets a quote before it
    (OWASP, "CSV Injection")."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        yield lambda rows: writer.writerows([_cell(row[c.name], c.kind) for c in columns] for row in rows)


@contextmanager
def json_file(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    """One array in UTF-8, with one object a line."""
    before = "["
    with path.open("w", encoding="utf-8") as stream:

        def write(rows: Sequence[Row]) -> None:
            nonlocal before
            for row in rows:
                fields = {column.name: row[column.name] for column in columns}
                stream.write(f"{before}\n{json.dumps(fields, ensure_ascii=False, default=_plain)}")
                before = ","

        yield write
        stream.write("[]\n" if before == "[" else "\n]\n")


@contextmanager
def parquet_file(path: Path, columns: Sequence[Column]) -> Iterator[Write]:
    """One row group for each batch; times in UTC. Raises ConfigurationError where pyarrow is missing."""
    try:
        import pyarrow as pa  # here: nothing else needs it, and it takes a second to load
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigurationError("Parquet needs the package pyarrow; install the requirements again.") from error
    types: Mapping[Kind, Any] = {
        Kind.TEXT: pa.string(),
        Kind.INTEGER: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.FLAG: pa.bool_(),
        Kind.TIME: pa.timestamp("us", tz="UTC"),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.INTEGERS: pa.list_(pa.int64()),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))


FORMATS: Mapping[str, Any] = {"csv": csv_file, "json": json_file, "parquet": parquet_file}


def _cell(value: Any, kind: Kind) -> Any:
    if value is None:
        return ""
    if kind in (Kind.TEXTS, Kind.INTEGERS):
        value = SEPARATOR.join(map(str, value))
    elif kind is not Kind.TEXT:
        return _plain(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
