"""The figures that a text states, in one form, so that those of a reply can be compared with its sources.

25,000 = 2.5万 = 25 thousand -> "25000";  3.80 -> "3.8";  09:00 -> "9:00"
five working days = 五个工作日 -> "5";  百分之五 -> "5";  二十五 -> "25";  6 April = 4 月 6 日 -> "4", "6"

A numeral written out counts where it measures something: "five days", but not "one of the two".
"""

import re
import unicodedata
from decimal import Decimal

_SCALES = {"k": 3, "thousand": 3, "million": 6, "billion": 9, "千": 3, "万": 4, "萬": 4, "亿": 8, "億": 8}
_NUMBER = re.compile(
    r"(\d+(?:[.:]\d+|,\d{3}(?!\d))*)(?:\s?(thousand|million|billion)(?![a-z])|(k)(?![a-z])|\s?([千万萬亿億]))?",
    re.IGNORECASE,
)

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: i for i, word in enumerate(_ONES, 1)} | {word: 10 * i for i, word in enumerate(_TENS, 2)}
_WORD = "|".join(_WORDS)
_ENGLISH = re.compile(
    rf"\b(?:({'|'.join(_TENS)})[- ])?({_WORD})(?=[- ](?:(?:working|business|calendar)[- ])?"
    r"(?:day|week|month|year|hour|minute|pound|pence|penny|euro|dollar|per ?cent))",
    re.IGNORECASE,
)
_MONTHS = ["January", "February", "March", "April", "May", "June", "July"]
_MONTHS += ["August", "September", "October", "November", "December"]
_MONTH = re.compile(rf"(?<=\d )(?:{'|'.join(_MONTHS)})\b|\b(?:{'|'.join(_MONTHS)})(?= \d)")

_DIGITS = {character: i for i, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_TIMES = {"十": 10, "百": 100, "千": 1000}
_CHINESE = re.compile(
    r"百分之([零〇一二两三四五六七八九十百]+(?:点[零〇一二三四五六七八九]+)?)"
    r"|((?:[一二两三四五六七八九][十百千万亿]|十[一二三四五六七八九])[零〇一二两三四五六七八九十百千万亿]*)"
    r"|((?<![下上每另同这那])一|[二两三四五六七八九十])(?=个(?:工作|营业|自然|月|小时|星期)|小时|分钟|英镑|镑|元|美元|欧元)"
    r"|([二两三四五六七八九十])(?=[天日周月年岁次张笔倍]|星期)"
)


def figures_in(text: str) -> set[str]:
    """The figures of a text, each once. Full-width digits are folded; times and dotted dates stay as they are."""
    # A full-width comma behind a half-width digit ends a clause: "0800 550 0199，24 小时".
    folded = unicodedata.normalize("NFKC", re.sub(r"(?<=[0-9])，", "；", text))
    found = {_canonical(m[1], (m[2] or m[3] or m[4] or "").lower()) for m in _NUMBER.finditer(folded)}
    for tens, ones in _ENGLISH.findall(folded):
        found.add(str(_WORDS.get(tens.lower(), 0) + _WORDS[ones.lower()]))
    found |= {str(_MONTHS.index(month) + 1) for month in _MONTH.findall(folded)}
    return found | {_chinese("".join(groups)) for groups in _CHINESE.findall(folded)}


def _canonical(number: str, scale: str) -> str:
    plain = number.replace(",", "")
    if scale and re.fullmatch(r"\d+(?:\.\d+)?", plain):
        plain = f"{Decimal(plain).scaleb(_SCALES[scale]):f}"
    if re.fullmatch(r"\d+\.\d+", plain):
        plain = plain.rstrip("0").rstrip(".")
    stripped = plain.lstrip("0")
    return stripped if stripped[:1].isdigit() else "0" + stripped


def _chinese(numeral: str) -> str:
    """Read 三千五百, 二十万, 三点五 in figures."""
    whole, _, fraction = numeral.partition("点")
    total = section = digit = 0
    for character in whole:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character in _TIMES:
            section, digit = section + (digit or 1) * _TIMES[character], 0
        else:
            total, section, digit = (total + section + digit) * 10 ** _SCALES[character], 0, 0
    decimals = "".join(str(_DIGITS[character]) for character in fraction)
    return _canonical(f"{total + section + digit}.{decimals}" if decimals else str(total + section + digit), "")
