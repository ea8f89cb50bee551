"""Articles by pieces of their words: an index of triples of characters, where the engine has one (SQLite's FTS5).

It only narrows down: whoever finds articles by it still compares their texts. So it may hold too much, and a word
that it cannot look up is compared with every text.
"""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, Select, bindparam, column, inspect, select, table, text
from sqlalchemy.orm import Session

from app.storage.tables import ArticleRow

TABLE = "article_search"
_MOST = 24  # triples of one word that are looked up
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")  # kana and ideographs
_GAP = "\u200b"  # stands behind each of these, so that two of them are a triple


class TextSearch:
    """The index of one database; without FTS5 it neither keeps nor finds anything."""

    def __init__(self, engine: Engine) -> None:
        reader = engine.execution_options(reads_only=True)  # which waits for no writer
        self._there = engine.dialect.name == "sqlite" and inspect(reader).has_table(TABLE)

    def add(self, session: Session, article_id: int, title: str, body: str) -> None:
        """Index an article in the transaction that stores it."""
        if self._there:
            row = {"id": article_id, "text": indexed(title, body)}
            session.execute(text(f"INSERT INTO {TABLE} (rowid, text) VALUES (:id, :text)"), row)

    def remove(self, session: Session, article_ids: Select[Any]) -> None:
        """Take articles out, before they are removed in the same transaction."""
        if not self._there:
            return
        row, held = ArticleRow, table(f"{TABLE}_docsize", column("id"))  # FTS5's own list of what it holds
        query = select(row.id, row.title, row.text).where(row.id.in_(article_ids), row.id.in_(select(held.c.id)))
        rows = [{"id": key, "text": indexed(title, body)} for key, title, body in session.execute(query)]
        if rows:
            order = text(f"INSERT INTO {TABLE} ({TABLE}, rowid, text) VALUES ('delete', :id, :text)")
            session.execute(order, rows)

    def candidates(self, words: Iterable[str]) -> Select[Any] | None:
        """The ids of articles that may contain every one of these words; None where the index cannot tell."""
        found = list(dict.fromkeys(triple for word in words for triple in _triples(word)))
        if not self._there or not found:
            return None
        wanted = " AND ".join('"' + triple.replace('"', '""') + '"' for triple in found)
        index = table(TABLE, column("rowid"))
        return select(index.c.rowid).where(
            text(f"{TABLE} MATCH :wanted").bindparams(bindparam("wanted", wanted, unique=True))
        )


def indexed(title: str, body: str) -> str:
    """An article's text as the index takes it, and as the database keeps it (columns.OutsideText)."""
    kept = f"{title}\n{body}".replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
    return _UNSPACED.sub(rf"\1{_GAP}", kept)


def _triples(word: str) -> list[str]:
    if "\x00" in word:  # which no stored text contains
        return []
    spaced = _UNSPACED.sub(rf"\1{_GAP}", word)
    return [spaced[i : i + 3] for i in range(len(spaced) - 2)][:_MOST]
