"""Cut prose into sentences and sentences into groups, in English and Chinese."""

import re
from collections.abc import Callable, Iterator, Sequence

# What ends in a full stop without ending a sentence. An initial ("J. Smith") is one letter.
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Inc|Corp|Co|Ltd|Plc|Bros|No|vs|approx|est|Gov|Sen|Rep|Gen|Fig"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|e\.g|i\.e|U\.S|U\.K|E\.U)|(?<![\w.])[A-Z])\.$",
    re.IGNORECASE,
)
_END = re.compile(
    r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9$£€\u3400-\u9fff])"  # before a capital, a figure or Chinese
    r"|(?<=[。！？；])[”’」』）\"]*\s*"
    r"|\s*\n\s*"
)
_CLAUSE = re.compile(r"[,;:，、：]\s*|\s+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, white space folded; a line break ends one, too."""
    found, start = [], 0
    for match in _END.finditer(text):
        piece = text[start : match.end()]
        if "\n" not in match.group() and _ABBREVIATION.search(piece.rstrip()):
            continue
        found.append(piece)
        start = match.end()
    found.append(text[start:])
    return [folded for piece in found if (folded := " ".join(piece.split()))]


def groups(parts: Sequence[str], size: Callable[[str], int], limit: int) -> Iterator[str]:
    """Join neighbouring sentences as long as a group measures at most `limit`.

    A sentence that is longer is cut near its middle, at a clause or a space where there is one.
    """
    group, held = "", 0
    for part in (piece for sentence in parts for piece in _pieces(sentence, size, limit)):
        length = size(part)
        if group and held + length > limit:
            yield group
            group, held = "", 0
        group, held = joined(group, part), held + length
    if group:
        yield group


def joined(first: str, second: str) -> str:
    """Two pieces of text in a row, with a space between them unless they meet in Chinese."""
    if not first or not second:
        return first or second
    return f"{first}{second}" if _is_wide(first[-1]) or _is_wide(second[0]) else f"{first} {second}"


def _pieces(sentence: str, size: Callable[[str], int], limit: int) -> Iterator[str]:
    if len(sentence) < 2 or size(sentence) <= limit:
        yield sentence
        return
    middle = len(sentence) // 2
    borders = [match.end() for match in _CLAUSE.finditer(sentence) if 0 < match.end() < len(sentence)]
    cut = min(borders, key=lambda border: abs(border - middle), default=middle)
    for half in (sentence[:cut].strip(), sentence[cut:].strip()):
        if half:
            yield from _pieces(half, size, limit)


def _is_wide(character: str) -> bool:
    return "\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"
