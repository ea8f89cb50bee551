"""Alembic's entry: run the migrations on the connection that open_database hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import TypeDecorator

from app.storage.tables import Base


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Spell the plain type under one of our own, so that an old migration never changes with the code."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, render_item=render_item
)
with context.begin_transaction():
    context.run_migrations()
