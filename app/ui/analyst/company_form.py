"""The names of a company as lines of text, and back: nothing that is stored gets lost."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.domain.errors import InvalidInput
from app.domain.watchlist import WatchedCompany, WatchedName, is_wide

EXACT, SAFE = "[exact case]", "[safe]"
_MARKS = re.compile(r"\s*\[(exact case|safe)\]", re.IGNORECASE)
_NEEDS = re.compile(r"\s*[:：]\s*")
_WORDS = re.compile(r"\s*[,;，、；]\s*")


class CompanyForm(NamedTuple):
    """What the form holds. `needs` are the words that the company's own name needs near it."""

    name: str = ""
    others: str = ""
    tickers: str = ""
    chinese: str = ""
    needs: str = ""


def form_of(company: WatchedCompany) -> CompanyForm:
    """A stored company as the form shows it."""
    own = next((name for name in company.names if name.text == company.name), None)
    others = [name for name in company.names if name is not own]
    needs = _marked(", ".join(own.needs), own) if own else ""
    return CompanyForm(
        company.name,
        _lines(name for name in others if name.kind not in ("ticker", "chinese")),
        _lines(name for name in others if name.kind == "ticker"),
        _lines(name for name in others if name.kind == "chinese"),
        needs,
    )


def names_of(form: CompanyForm, known: Sequence[WatchedName] = ()) -> list[WatchedName]:
    """The names that a form says; of a name that is `known`, its kind stays. Raises InvalidInput."""
    kinds = {name.text: name.kind for name in known}
    company, found = " ".join(form.name.split()), []
    text, exact, safe = _unmarked(form.needs)
    if text or exact or safe:
        kind = kinds.get(company, "chinese" if is_wide(company[:1]) else "name")
        found.append(WatchedName(company, kind, exact, _split(text), safe))
    for kind, lines in (("alias", form.others), ("ticker", form.tickers), ("chinese", form.chinese)):
        for line in lines.splitlines():
            if line.strip():
                found.append(_name(line, kind, kinds if kind == "alias" else {}))
    if doubled := next((a.text for i, a in enumerate(found) if a.text in {b.text for b in found[:i]}), ""):
        raise InvalidInput(f"The name {doubled!r:.60} is there twice; remove one.")
    return found


def _name(line: str, kind: str, kinds: dict[str, str]) -> WatchedName:
    text, exact, safe = _unmarked(line)
    text, *needs = _NEEDS.split(text, maxsplit=1)
    if not text:
        raise InvalidInput(f"The line {line.strip()!r:.60} begins with a colon; write the name before it.")
    kept = kinds.get(text, kind)
    return WatchedName(text, kind if kept in ("ticker", "chinese") else kept, exact, _split(*needs), safe)


def _split(words: str = "") -> tuple[str, ...]:
    return tuple(word for word in _WORDS.split(words.strip()) if word)


def _unmarked(line: str) -> tuple[str, bool, bool]:
    """A line without its marks, and which it had: exact case, safe."""
    marks = {mark.lower() for mark in _MARKS.findall(line)}
    return " ".join(_MARKS.sub(" ", line).split()), "exact case" in marks, "safe" in marks


def _lines(names: Iterable[WatchedName]) -> str:
    return "\n".join(
        _marked(f"{name.text}: {', '.join(name.needs)}" if name.needs else name.text, name) for name in names
    )


def _marked(text: str, name: WatchedName) -> str:
    marks = [mark for mark, there in ((EXACT, name.case_sensitive), (SAFE, name.safe)) if there]
    return " ".join(part for part in (text, *marks) if part)
