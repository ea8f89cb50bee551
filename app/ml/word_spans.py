"""Where the words of a text are, and which of its characters the model's rendering shows where."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

import jieba

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W_{_HAN}]"
_WORD = re.compile(
    rf"https?://[^\s{_HAN}]+"  # a link is one word
    rf"|[{_HAN}]+"
    rf"|[$£€¥#@+−-]?{_LETTER}+(?:['’.,:/&-]{_LETTER}+)*%?"  # don't, 1,234.5%, full-year, $TICK, -3%
    r"|[\U0001F000-\U0001FAFF\u2600-\u27BF\u200D\uFE0F]+"  # emoji, joined ones together
    r"|([^\w\s])\1*|\S"
)
_TELLING = set("!?%！？％…")  # marks that a reader would look at


def word_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word, number, link and emoji; Chinese is cut by jieba.

    Commas, full stops and the like are left out: they move scores, but a reader learns nothing from that.
    """
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        if re.match(f"[{_HAN}]", match.group()):
            spans += [(start + a, start + b) for _, a, b in jieba.tokenize(match.group())]
        elif match.group()[0] in _TELLING or not _is_punctuation(match.group()):
            spans.append((start, end))
    return spans


def _is_punctuation(word: str) -> bool:
    return all(unicodedata.category(letter).startswith("P") for letter in word)


def align(rendered: str, original: str) -> list[int | None]:
    """For each character of `rendered` its index in `original`, or None where rendering added it.

    Rendering puts a tag in front and folds white space; should it fold more than that one day (width, links),
    the longest common pieces decide, and a changed character goes to the one in its place.
    """
    shown = [i for i, letter in enumerate(rendered) if not letter.isspace()]
    given = [i for i, letter in enumerate(original) if not letter.isspace()]
    found: list[int | None] = [None] * len(rendered)
    added = next((n for n in range(len(shown)) if _begins(rendered, shown[n:], original, given)), None)
    if added is not None:
        for i, j in zip(shown[added:], given, strict=False):
            found[i] = j
        return found
    original = original[: 4 * len(rendered) + 2000]  # the comparison is quadratic
    for kind, a, b, c, d in SequenceMatcher(None, rendered, original, autojunk=False).get_opcodes():
        if kind in ("equal", "replace"):
            for i in range(a, b):
                found[i] = min(c + (i - a), d - 1)
    return found


def _begins(rendered: str, shown: Sequence[int], original: str, given: Sequence[int]) -> bool:
    """Whether the characters `shown` are the first of those `given`."""
    if len(shown) > len(given):
        return False
    return all(rendered[i] == original[j] for i, j in zip(shown, given, strict=False))
