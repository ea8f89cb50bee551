"""What is known of a document or a row beside its text: language, product, and the days on which it holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from app.domain.errors import UnreadableDocument

# Front matter, as site generators have it: YAML between two rules, at the very top.
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_OURS = re.compile(r"^(?:title|language|product|valid[ _-](?:from|until))[ \t]*:", re.MULTILINE | re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?=$|[-_][a-z])", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Metadata:
    """Empty where nothing is known. Days are in ISO form (2025-03-31), both inclusive."""

    language: str = ""
    product: str = ""
    valid_from: str = ""
    valid_until: str = ""


def field_name(name: str) -> str:
    """A column's or field's name as the code has it: "Valid until" is valid_until."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def metadata_of(fields: Mapping[str, Any], where: str = "") -> Metadata:
    """The metadata among the fields of a document or a row; what is not metadata is passed over.

    `where` ("row 3") is named in the error. Raises UnreadableDocument when a value cannot be meant.
    """
    place = f" in {where}" if where else ""
    values = {name: _one_value(fields, name, place) for name in Metadata.__dataclass_fields__}
    language = values["language"]
    if language and not (code := _LANGUAGE.match(language)):
        raise UnreadableDocument(f"has the language {language!r}{place}; write a code such as en or zh")
    for name in ("valid_from", "valid_until"):
        if values[name] and not _is_day(values[name]):
            raise UnreadableDocument(
                f"has the {name} {values[name]!r}{place}, which is no day; write it as YYYY-MM-DD"
            )
    if values["valid_from"] > values["valid_until"] > "":
        raise UnreadableDocument(
            f"is valid from {values['valid_from']} until {values['valid_until']}{place}, which is never"
        )
    return Metadata(**{**values, "language": code[0].lower() if language and code else ""})


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The fields of the front matter, by name, and the text without it. Raises UnreadableDocument.

    What stands between two rules at the top and is no list of fields is text.
    """
    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, text
    try:
        # The base loader leaves all values as they are written: a day stays text, and "no" is a language.
        fields = yaml.load(match[1], Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        if not _OURS.search(match[1]):
            return {}, text
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 2})" if mark else ""
        raise UnreadableDocument(
            f"has front matter that is not valid YAML{line}; put the value in quotes"
        ) from error
    if fields is None or fields == "":
        return {}, text[match.end() :]
    if not isinstance(fields, dict):
        return {}, text
    return {field_name(str(name)): value for name, value in fields.items()}, text[match.end() :]


def _one_value(fields: Mapping[str, Any], name: str, place: str) -> str:
    value = fields.get(name)
    if isinstance(value, list | dict):
        raise UnreadableDocument(f"has several values for {name}{place}; write one")
    return "" if value is None else str(value).strip()


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False
