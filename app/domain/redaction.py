"""Take personal data out of what customers write, and leave what a bank publishes where it is.

Numbers that belong to nobody stay: freephone and shared-cost lines, Chinese 400 and 95xxx service numbers, and
whatever `published` holds (see `published_in`), such as the addresses of branches. Amounts, dates and fees stay.
"""

from collections.abc import Iterable, Set
from functools import partial
from re import Match

from app.domain.personal_data import FULL_WIDTH, RULES, Rule


def redact(text: str, published: Set[str] = frozenset()) -> str:
    """Put a label such as [phone number] in the place of each piece of personal data that is not `published`."""
    plain = text.translate(FULL_WIDTH)
    for rule in RULES:
        plain = rule.pattern.sub(partial(_label, rule, published), plain)
    return plain


def published_in(texts: Iterable[str]) -> frozenset[str]:
    """What would be redacted in texts that everybody may read, in the form in which `redact` compares."""
    return frozenset(_key(found) for text in texts for rule in RULES for found in _finds(rule, text))


def names_in(text: str) -> frozenset[str]:
    """The names by which a customer calls himself, or a clerk calls him, as they are written."""
    return frozenset(found for rule in RULES if rule.label == "name" for found in _finds(rule, text))


def _label(rule: Rule, published: Set[str], match: Match[str]) -> str:
    found, start = match["x"], match.start("x") - match.start()
    length = rule.length(found)
    if not length or _key(found[:length]) in published:
        return match[0]
    return f"{match[0][:start]}[{rule.label}]{match[0][start + length :]}"


def _finds(rule: Rule, text: str) -> Iterable[str]:
    for match in rule.pattern.finditer(text.translate(FULL_WIDTH)):
        if length := rule.length(match["x"]):
            yield match["x"][:length]


def _key(found: str) -> str:
    return "".join(filter(str.isalnum, found)).casefold()
