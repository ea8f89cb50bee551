import string

import pytest

from app.ui.texts import _TEXTS, preferred_language, text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr-FR, zh-Hant;q=0.5, en;q=0.4", "zh"),
        ("fr, de;q=0.5", "en"),
        ("zh;q=nonsense, en;q=0.1", "en"),
        ("zh;q=0", "en"),
    ],
)
def test_preferred_language_ranks_by_weight(header: str, language: str) -> None:
    assert preferred_language(header) == language


@pytest.mark.parametrize("key", _TEXTS)
def test_text_has_the_same_places_in_both_languages(key: str) -> None:
    english, chinese = ({name for _, name, _, _ in string.Formatter().parse(s) if name} for s in _TEXTS[key])
    assert english == chinese


def test_text_fills_places() -> None:
    assert text("source_file", "zh", source="fees.md") == "出自 fees.md"
