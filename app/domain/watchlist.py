"""The companies on watch, and when a name in a text means one of them. Pure: it looks at texts and names only.

Finding every name of a long list in a text is the matcher's work (app.ml.company_names); here stand the rules
that each place found must pass.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("name", "alias", "ticker", "chinese")
NEAR = 200  # characters on either side of a name in which a word that it needs may stand
MAX_NAME = 100

# Words of the language that are companies, too. As one they are written with a capital, and beside such a name
# there must be a word that it needs, a corporate suffix, or elsewhere a name of the company that is no word.
AMBIGUOUS = frozenset(
    "abbey adobe aegis alphabet amazon apple arm ball beyond block boots box bumble carnival carrier "
    "caterpillar chase chime citizens coach compass crest crown delta discover dish dominion dove eagle "
    "eaton everest focus ford fox frontier gap general globe grab guess hinge honest intel jaguar key "
    "keys lincoln line lucid macy mars match meta mini moody mosaic national nationwide next nova oracle "
    "orange oscar peloton pioneer polo pool principal progressive prudential pulse puma quest ralph "
    "regions republic root sage sea seat shell slack smart snap southern spirit splash sprint square "
    "stripe subway sun swan target three tide toast triumph twist uber union united unity vale virgin "
    "visa vital wave wise workday zoom "
    "平安 苹果 小米 长城 红旗 联想 民生 "
    "招商 兴业 华夏 美的 三一 快手 太平 大众 现代 东方 国泰 统一 理想 幸福 和谐 阳光 太阳 中央 时代".split()
)
_SUFFIX = re.compile(
    r"(?:'s)?,?\s+(?:inc|incorporated|corp|corporation|company|co|plc|ltd|limited|llc|group|holdings?|ag|sa|se"
    r"|nv|spa|ab|asa|oyj|gmbh|kk)\b(?!-)|集团|公司|股份|控股|有限",
    re.IGNORECASE,
)
_MARKETS = (
    "NYSE|NASDAQ|AMEX|OTC|LSE|LON|HKEX|HKG|SEHK|HK|SSE|SHSE|SHA|SH|SZSE|SHE|SZ|BSE|NSE|BJ|TSE|TYO|EPA|ETR|FRA|XETRA|ASX|TSX"
    "|SIX|BME|BIT|KRX|SGX|AMS|EURONEXT|上交所|深交所|港交所|纽交所|纳斯达克"
)
_BEFORE_TICKER = re.compile(rf"(?:\$|[(\[【](?:(?:{_MARKETS})\s?:\s?)?|(?<![A-Za-z])(?:{_MARKETS})\s?:\s?)$")
_MARKET_CODE = re.compile(r"(?<![A-Za-z0-9])(?:SH|SZ|HK|BJ)$")  # SH600519
_BEHIND_TICKER = re.compile(
    r"(?:\.(?:HK|SH|SS|SZ|BJ|L|N|O|OQ|T|PA|DE|SW|US|AS|MI|MC|TO|AX)| (?:US|HK|CH|LN) Equity)\b"
)
_NO_BANK = re.compile("业|间市场|间债|家(?!庭)|股(?![价份东票])")  # 银行业 is the industry, not the bank


@dataclass(frozen=True)
class WatchedName:
    """One way to name a company.

    `needs` are words of which one must stand near; a name without any may need context all the same if it is an
    everyday word (AMBIGUOUS). A ticker counts in capitals, and with a dollar sign, in brackets or beside its
    exchange, unless it is `safe`: a string that means nothing else.
    """

    text: str
    kind: str = "name"
    case_sensitive: bool = False
    needs: tuple[str, ...] = ()
    safe: bool = False

    @property
    def ambiguous(self) -> bool:
        return bool(self.needs) or (not self.safe and self.text.lower() in AMBIGUOUS)


@dataclass(frozen=True)
class WatchedCompany:
    """A company on the watchlist. One that is switched off is not reported; its names still block shorter ones."""

    id: int
    name: str
    names: tuple[WatchedName, ...] = ()
    enabled: bool = True
    sample: bool = False

    @property
    def all_names(self) -> tuple[WatchedName, ...]:
        """Its names, the one that it is listed under among them in any case."""
        if any(name.text == self.name for name in self.names):
            return self.names
        return (WatchedName(self.name, "chinese" if is_wide(self.name[:1]) else "name"), *self.names)


@dataclass(frozen=True)
class NamedCompany:
    """A company that a text names, and how: its names as they stand there, the first one first."""

    company_id: int
    name: str
    written: tuple[str, ...]


def plain(text: str) -> str:
    """A text as names are sought in it: compatibility forms unified, quotes straight, white space folded."""
    unified = unicodedata.normalize("NFKC", text).translate(_STRAIGHT)
    return " ".join(unified.split())


_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "‐": "-", "‑": "-", "–": "-", "—": "-"})


def lowered(text: str) -> str:
    """Lower case, character by character, so that places stay where they were."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def is_wide(character: str) -> bool:
    """Whether a character belongs to a script without spaces."""
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff"


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the name at text[start:end] is no part of a longer word; next to Chinese a word always ends."""
    joined = _joins(text, start - 1, start) or _joins(text, end, end - 1)
    return not joined and text[start - 1 : start] not in {"@", "/"}


def _joins(text: str, outside: int, inside: int) -> bool:
    if not 0 <= outside < len(text):
        return False
    return all((c.isalnum() or c == "_") and not is_wide(c) for c in (text[outside], text[inside]))


def fits(name: WatchedName, text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is that name in its spelling and surroundings, context aside."""
    written = text[start:end]
    if name.kind == "ticker" and _MARKET_CODE.search(text[max(0, start - 3) : start]):
        return written == name.text and not _joins(text, end, end - 1)
    if not stands_alone(text, start, end):
        return False
    if name.kind == "ticker":
        return written == name.text and (name.safe or _looks_like_ticker(text, start, end))
    if written.endswith("银行") and _NO_BANK.match(text, end):
        return False
    if written == plain(name.text):
        return True
    return not name.case_sensitive and (not name.ambiguous or written.isupper())


def _looks_like_ticker(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 16) : start]
    return bool(_BEFORE_TICKER.search(before) or _BEHIND_TICKER.match(text, end))


def has_context(name: WatchedName, text: str, start: int, end: int) -> bool:
    """Whether what stands around an ambiguous name says that the company is meant."""
    if _SUFFIX.match(text, end):
        return True
    around = lowered(text[max(0, start - NEAR) : start] + " \n " + text[end : end + NEAR])
    return any(_holds(around, lowered(plain(word))) for word in name.needs)


def _holds(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        if stands_alone(text, at, at + len(word)):
            return True
        at = text.find(word, at + 1)
    return False


def longest_first(places: Sequence[tuple[int, int]]) -> list[int]:
    """Which of these places (start, end) stay when the longer of two that overlap wins; the earlier of equals.

    Two companies may bear one name: places that are the same do not shut each other out.
    """
    taken: dict[int, tuple[int, int]] = {}  # by character
    kept = []
    for index in sorted(range(len(places)), key=lambda i: (places[i][0] - places[i][1], places[i][0])):
        start, end = place = places[index]
        # Whatever was taken before is no shorter, so it holds an end of this place if it overlaps it.
        if taken.get(start, place) == taken.get(end - 1, place) == place:
            taken.update(dict.fromkeys(range(start, end), place))
            kept.append(index)
    return sorted(kept)
