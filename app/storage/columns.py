"""What the tables are made of: kinds of columns, their defaults, and the names of constraints."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, ColumnElement, DateTime, MetaData, String, TypeDecorator, literal_column
from sqlalchemy.orm import DeclarativeBase

# Defaults of columns that were added to rows.
EMPTY: ColumnElement[str] = literal_column("''")
ZERO: ColumnElement[int] = literal_column("0")
NOTHING: ColumnElement[str] = literal_column("'{}'")
NONE: ColumnElement[str] = literal_column("'[]'")
ALERT: ColumnElement[str] = literal_column("'alert'")
FALSE: ColumnElement[bool] = literal_column("false")


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime that is UTC in the database, whatever the engine keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be timezone-aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class OutsideText(TypeDecorator[str]):
    """Text from the outside world: what a database cannot hold is dropped, the rest cut to the column's length.

    PostgreSQL refuses NUL, neither engine takes lone surrogates, and broken feeds contain both.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if value is None:
            return None
        assert isinstance(self.impl_instance, String)
        return value.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")[: self.impl_instance.length]


class Base(DeclarativeBase):
    # Every constraint has a name that a later migration can say, on SQLite too.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }
