"""Pure checks of what goes in and out of a conversation: language, personal data, requests, figures."""

import re
import unicodedata
from collections.abc import Iterable

_CJK = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CITATION = re.compile(r"\[(\d{1,2})\]")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")
_DIGITS = re.compile(r"(?<![\dA-Za-z])\d(?:[ -]?\d){12,18}[\dXx]?(?![\dA-Za-z])")

_PERSON = re.compile(
    r"\b(speak|talk|chat|connect|transfer|put)\b.{0,30}\b(human|person|agent|someone|somebody|advis[eo]r|representative)\b"
    r"|\b(real|live|actual) (human|person|agent)\b|\b(human|agent|representative) please\b|^\W*(human|agent)\W*$"
    r"|(转|找|要|换|接)(个|一下|到)?(人工|真人|客服人员|工作人员)|人工(客服|服务|坐席)|真人(客服|说话)",
    re.IGNORECASE,
)


def language_of(text: str) -> str:
    """'zh' when Chinese characters weigh more than Latin words, else 'en'.

    One Chinese character says about as much as half an English word.
    """
    return "zh" if len(_CJK.findall(text)) > 2 * len(_LATIN.findall(text)) else "en"


def asks_for_person(text: str) -> bool:
    """Whether the customer asks to talk to a human being."""
    return bool(_PERSON.search(text))


def redact(text: str) -> str:
    """Replace e-mail addresses, payment card numbers (Luhn) and Chinese identity numbers (GB 11643 check digit)."""

    def mark(match: re.Match[str]) -> str:
        digits = re.sub(r"[ -]", "", match.group())
        if len(digits) == 18 and _identity_checksum(digits):
            return "[identity number]"
        return "[card number]" if digits.isdigit() and _luhn(digits) else match.group()

    return _DIGITS.sub(mark, _EMAIL.sub("[e-mail]", unicodedata.normalize("NFKC", text) if "＠" in text else text))


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _identity_checksum(number: str) -> bool:
    if not number[:17].isdigit():
        return False
    weighted = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(number[:17]))
    return "10X98765432"[weighted % 11] == number[17].upper()


def numbers_in(text: str) -> set[str]:
    """The figures of a text in one form: 25,000 = 25000, 3.80 = 3.8, digits folded, citations left out."""
    folded = unicodedata.normalize("NFKC", _CITATION.sub(" ", text))
    return {_canonical(match) for match in _NUMBER.findall(folded)}


def _canonical(number: str) -> str:
    plain = re.sub(r",(?=\d{3}(\D|$))", "", number)
    if re.fullmatch(r"\d+\.\d+", plain):
        plain = plain.rstrip("0").rstrip(".")
    return plain.lstrip("0") or "0"


def unsupported_numbers(reply: str, sources: Iterable[str]) -> set[str]:
    """Figures that a reply states and none of its sources (passages, the question) does."""
    known: set[str] = set()
    for source in sources:
        known |= numbers_in(source)
    return numbers_in(reply) - known


def cited_numbers(reply: str) -> list[int]:
    """Numbers of the citation marks of a reply, in order of first appearance."""
    return list(dict.fromkeys(int(n) for n in _CITATION.findall(reply)))


def renumber_citations(reply: str, kept: list[int]) -> str:
    """Rewrite the marks so that `kept` become 1, 2, ...; marks that are not kept vanish."""
    order = {number: i for i, number in enumerate(kept, 1)}
    return _CITATION.sub(lambda m: f"[{order[int(m.group(1))]}]" if int(m.group(1)) in order else "", reply).strip()
