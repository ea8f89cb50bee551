"""What personal data looks like, in English and Chinese: one rule for each kind of cue or shape.

A rule is a cue with what follows it ("my name is", 手机号), or a shape that is sure by itself: an e-mail address,
or a number whose check digit holds. Recognisers that were looked at (presidio) want a language model for names and
know no Chinese ones. Every repetition in a pattern has a bound, so no text takes long.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.personal_names import GIVEN_NAME, NOT_A_NAME, SURNAME

FULL_WIDTH = {0xFF10 + i: str(i) for i in range(10)} | {ord("＠"): "@", ord("Ｘ"): "X", ord("－"): "-"}


@dataclass(frozen=True)
class Rule:
    """Group x of the pattern is looked at; `length` is how much of it, from the left, is personal (0: nothing)."""

    label: str
    pattern: re.Pattern[str]
    length: Callable[[str], int] = len


# -- what makes a find sure ------------------------------------------------------------------------

_DATE = re.compile(r"(?:19|20)\d\d[-/. ]\d\d?[-/. ]\d\d?|\d\d?[-/. ]\d\d?[-/. ](?:19|20)?\d\d")
# UK 080, 03, 084, 087, 09; Chinese 400, 800, 95xxx; North American toll-free.
_SERVICE_LINE = re.compile(
    r"0(?:80[08]|500|3[0347]\d|8[47]\d|9[018]\d)\d{6,7}|[48]00\d{7}|9[56]\d{3,6}|1[02]\d{3}"
    r"|1?8(?:00|33|44|55|66|77|88)\d{7}"
)


def _digits(found: str) -> int:
    return sum(map(str.isdigit, found))


def _card(found: str) -> int:
    """A card number by its check digit (Luhn), with what follows it only if that belongs to it."""
    return next((len(part) for part in (found, re.sub(r"[ -]\d{1,4}$", "", found)) if _luhn(part)), 0)


def _luhn(number: str) -> bool:
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [digit * (1 + i % 2) for i, digit in enumerate(reversed(digits))]
    return len(digits) > 12 and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _identity(found: str) -> int:
    """A Chinese identity number by its check digit (GB 11643)."""
    number = re.sub(r"[ -]", "", found)
    weighted = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(number[:17]))
    return len(found) if "10X98765432"[weighted % 11] == number[17].upper() else 0


def _iban(found: str) -> int:
    """The longest beginning, up to the end of a group, whose remainder by 97 is 1 (ISO 13616)."""
    for end in range(len(found), 14, -1):
        plain = re.sub(r"[ -]", "", found[:end])
        whole = end == len(found) or not (found[end - 1].isalnum() and found[end].isalnum())
        if whole and 15 <= len(plain) <= 34 and _digits(plain) > 7:
            turned = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
            if int(turned) % 97 == 1:
                return end
    return 0


def _phone(found: str) -> int:
    """A telephone number that may be somebody's own."""
    home = re.sub(r"^(?:\+|00)(?:44[ .-]?(?:\(0\))?|86)", lambda m: "0" if "44" in m[0] else "", found)
    home = "".join(filter(str.isdigit, home))
    personal = 6 <= len(home) <= 15 and not _SERVICE_LINE.fullmatch(home)
    return len(found) if personal and not _DATE.match(found) else 0


def _national(found: str) -> int:
    return _phone(found) if _digits(found) in (10, 11) else 0


def _number(found: str) -> int:
    return 0 if _DATE.fullmatch(found) else len(found)


def _reference(found: str) -> int:
    return _number(found) if _digits(found) > 2 else 0


def _secret(found: str) -> int:
    return len(found) if _digits(found) else 0


def _name(found: str) -> int:
    """Words up to the first that is no name; nothing when that is the first."""
    kept = 0
    for word in re.finditer(r"\S+", found):
        if word[0].casefold() in NOT_A_NAME:
            break
        kept = word.end()
    return kept


def _small_name(found: str) -> int:
    return len(found) if _name(found) == len(found) else 0


# -- parts of patterns -----------------------------------------------------------------------------

_B = r"(?<![A-Za-z])"  # a word begins; \b sees no border between 我的 and PIN
_IS = r"(?:\s?(?:is|was|[:：=#是为])){0,2}\s{0,2}"
_NO = r"(?:\s?(?:numbers?|no\.?|num|#))?"
_NOT_MONEY = r"(?!\d)(?![.,]\d)(?!\s?(?:pounds?|dollars?|euros?|yuan|GBP|USD|RMB|CNY|[元块镑万亿%笔次]|英镑|美元))"
_NO_AMOUNT = r"(?<![\d+£$€¥￥.,-])"
_ZH = "\u4e00-\u9fff"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_BIRTH = (
    rf"(?:\d{{1,4}}[-/. ]\d\d?[-/. ]\d{{2,4}}|\d\d?(?:st|nd|rd|th)? (?:of )?{_MONTH},? \d{{4}}"
    rf"|{_MONTH} \d\d?,? \d{{4}})"
)
_CAPITAL = r"[A-ZÀ-ÖØ-Þ](?:\.|(?:[^\W\d_\u4e00-\u9fff]|['’-]){0,24})"
_FULL_NAME = rf"{_CAPITAL}(?: {_CAPITAL}){{0,3}}"
_WORD = r"[A-Z][A-Za-z'’-]{1,20}(?!\w)"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Close|Drive|Way|Court|Gardens?|Crescent|Place|Terrace|Grove|Row|Mews)"
)
_HOUSE = (
    rf"(?:(?i:flat|apartment|apt|unit) ?\w{{1,5}},? )?\d{{1,4}}[A-Za-z]?,? (?:{_WORD} ){{1,4}}?{_STREET}\b"
    rf"(?:,? {_WORD}){{0,3}}"
)
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
_ROOM = rf"\d{{1,5}}(?:号|弄|栋|幢|室)(?:[{_ZH}A-Z\d]{{1,6}}?(?:号楼|号|室|楼|栋|幢|单元|层|座|户)){{0,4}}"


def _rule(label: str, *parts: str, length: Callable[[str], int] = len, cased: bool = False) -> Rule:
    return Rule(label, re.compile("".join(parts), re.NOFLAG if cased else re.IGNORECASE), length)


# -- the rules, in the order in which they are tried -----------------------------------------------

_BY_SHAPE = (
    _rule("e-mail", r"(?a:(?<![\w.%+-])(?P<x>[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}))"),
    _rule(
        "account number",
        r"(?<![A-Z0-9])(?P<x>[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?)(?![A-Z0-9])",
        length=_iban,
    ),
    _rule("identity number", r"(?<!\d)(?P<x>[1-9]\d{5}[ -]?\d{8}[ -]?\d{3}[\dX])(?![\dA-Z])", length=_identity),
    # Cards come solid or in fours (American Express 4-6-5); behind may stand the security code or the expiry.
    _rule(
        "card number",
        r"(?<![\d+])(?P<x>(?:[2-69]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3\d{3}[ -]?\d{6}[ -]?\d{4,5})",
        r"(?:[ -]\d{1,4})?)(?!\d)",
        length=_card,
    ),
    _rule(
        "identity number",  # National Insurance, less the prefixes that are not given out
        r"(?<![A-Z0-9])(?P<x>(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]",
        r"(?: ?\d\d){3} ?[A-D])(?![A-Z0-9])",
    ),
    _rule("identity number", r"(?<![\d-])(?P<x>(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4})(?![\d-])"),
)
_BY_CUE = (
    _rule(
        "identity number",
        rf"(?:身份证(?:号码?)?|{_B}passport{_NO}|护照(?:号码?)?){_IS}(?P<x>[A-Z]{{0,2}}\d{{6,18}}X?)(?![\dA-Z])",
    ),
    _rule("sort code", rf"{_B}sort[ -]?codes?{_IS}(?P<x>\d\d[- ]?\d\d[- ]?\d\d)(?!\d)"),
    _rule("sort code", r"(?<![\d-])(?P<x>\d\d-\d\d-\d\d)(?=[ ,/]{1,3}\d{8}(?!\d))"),
    _rule("account number", r"\[sort code\][ ,/;]{1,3}(?:and )?(?P<x>\d{8})(?!\d)"),
    _rule(
        "card number",
        rf"(?:{_B}card{_NO}|卡号){_IS}(?P<x>\d(?:[ -]?\d){{11,18}}){_NOT_MONEY}",
        length=_number,
    ),
    _rule(
        "account number",
        rf"(?:{_B}(?:account|acct|a/c){_NO}|[账帐][号户](?:号码?)?|银行卡){_IS}",
        rf"(?P<x>\d(?:[ -]?\d){{5,20}}){_NOT_MONEY}",
        length=_number,
    ),
    _rule("date of birth", rf"{_B}(?:born(?: on)?|date of birth|d\.?o\.?b\.?|birthday){_IS}(?P<x>{_BIRTH})(?!\d)"),
    _rule(
        "date of birth",
        rf"(?:生日|出生日期|出生于|生于){_IS}(?P<x>(?:19|20)\d\d ?[年./-] ?\d\d? ?[月./-] ?\d\d? ?日?)(?!\d)",
    ),
    _rule("date of birth", r"(?P<x>(?:19|20)\d\d ?年 ?\d\d? ?月 ?\d\d? ?日)(?=\s?(?:出生|生人))"),
    _rule(
        "security code",
        rf"{_B}(?:pin|pass(?:code|word)|cv[vc]2?|otp|(?:security|verification|one[- ]time) code)",
        r"(?: (?:number|code))?(?: is[:：]?|[:：=])\s{0,2}",
        r"(?P<x>(?!\d{1,2}[ -]?digit)[A-Z0-9!@#$%^&*_-]{3,32})(?![A-Z0-9]|[ -]?(?:digits?|times?|days?|attempts?))",
        length=_secret,
    ),
    _rule(
        "security code",
        rf"{_B}(?:pin|cv[vc]2?|otp|(?:security|verification|one[- ]time) code) (?P<x>\d{{3,8}})(?!\d|[,.]\d)",
    ),
    _rule(
        "security code",
        rf"(?:密码|验证码|校验码|安全码|动态码|CVV2?){_IS}(?P<x>[A-Z0-9]{{3,16}})(?![A-Z0-9]|次|秒|位)",
        length=_secret,
    ),
    _rule(
        "reference",
        rf"{_B}(?:order|reference|ref|case|ticket|complaint|booking|tracking|policy|customer|client|payment|claim",
        r"|member(?:ship)?|application|transaction|invoice|loan|mortgage) ?",
        rf"(?:numbers?|no\.?|num|id|ref(?:erence)?|#){_IS}(?P<x>[A-Z0-9][A-Z0-9/-]{{4,24}}){_NOT_MONEY}",
        length=_reference,
    ),
    _rule(
        "reference",
        rf"{_B}ref(?:erence)?[.:#]{{0,2}} ?(?P<x>[A-Z]{{0,4}}-?\d[A-Z0-9/-]{{4,24}}){_NOT_MONEY}",
        length=_reference,
    ),
    _rule("reference", rf"{_B}(?:order|case|ticket) (?P<x>\d{{6,20}}){_NOT_MONEY}"),
    _rule(
        "reference",
        r"(?:订单|流水|单|参考|案件|工单|客户|保单|交易|申请|合同|会员|投诉|快递|运单)(?:号码?|编号)",
        rf"{_IS}(?P<x>[A-Z0-9][A-Z0-9-]{{4,24}})(?![A-Z0-9])",
        length=_reference,
    ),
)
_PHONES = tuple(
    _rule("phone number", pattern, length=length)
    for pattern, length in (
        (rf"(?<![\d+])(?P<x>(?:\+|00)\d{{1,3}}(?:[ .-]?\(0\))?(?:[ .-]?\d){{6,12}}){_NOT_MONEY}", _phone),
        (rf"{_NO_AMOUNT}(?P<x>\(?0[127]\d{{1,4}}\)?(?:[ -]?\d){{5,8}}){_NOT_MONEY}", _national),
        (rf"{_NO_AMOUNT}(?P<x>1[3-9]\d(?:[ -]?\d{{4}}){{2}}){_NOT_MONEY}", _phone),
        (rf"{_NO_AMOUNT}(?P<x>0\d{{2,3}}[ -]\d{{4}}[ -]?\d{{3,4}})(?!\d)", _phone),
        (rf"{_NO_AMOUNT}(?P<x>(?:\(\d{{3}}\) ?|\d{{3}}[-.])\d{{3}}[-.]\d{{4}})(?!\d)", _phone),
        (
            rf"(?:{_B}(?:(?:tele)?phone|mobile|mob|cell|tel|whatsapp){_NO}|{_B}my number|手机号?码?|电话(?:号码)?"
            rf"|联系方式|微信号?|{_B}(?:call|ring|text|reach|contact|phone) me (?:back )?(?:on|at)){_IS}"
            rf"(?P<x>[+(]?\d(?:[ ()-]{{0,2}}\d){{5,14}}){_NOT_MONEY}",
            _phone,
        ),
    )
)
_PLACES = (
    _rule(
        "address",
        rf"(?i:{_B}my (?:new |home |current |old |postal )?address(?: is| to|:)|{_B}I (?:now |currently )?live at",
        rf"|{_B}living at|{_B}I(?:['’]ve| have)? (?:just |recently )?moved (?:house )?(?:from|to)) {{1,2}}",
        rf"(?P<x>{_HOUSE}(?:,? {_POSTCODE})?)",
        cased=True,
    ),
    _rule("address", rf"(?<!\w)(?P<x>{_HOUSE},? {_POSTCODE})(?!\w)", cased=True),
    _rule(
        "address",
        r"(?:住在|家住|住址|(?:我的|家庭|收货|通讯|联系|居住|新)地址|地址[:：]|搬到了?)(?:改?[为成]|是)?[:：]? ?",
        rf"(?P<x>[{_ZH}A-Z\d]{{1,40}}?{_ROOM})",
    ),
)
_NAMES = (
    _rule(
        "name",
        rf"(?i:{_B}my (?:full |first |last |sur|maiden )?name(?:['’]s| is|:)|{_B}I(?:['’]m| am) called|{_B}name:)",
        rf" {{1,2}}(?P<x>{_FULL_NAME})",
        length=_name,
        cased=True,
    ),
    _rule(
        "name",
        rf"(?i:{_B}my (?:full |first )?name(?:['’]s| is)) (?P<x>[a-z'’-]{{2,20}}(?: [a-z'’-]{{1,20}}){{0,2}})",
        r"(?= ?(?:[,.;!?]|$| and (?:i|my)\b))",
        length=_small_name,
        cased=True,
    ),
    _rule(
        "name",
        rf"(?i:{_B}this is) (?P<x>{_FULL_NAME})(?= (?:speaking|here|calling|writing)\b)",
        length=_name,
        cased=True,
    ),
    _rule("name", rf"{_B}(?:Mr|Mrs|Ms|Dr|Prof)\.? (?P<x>{_CAPITAL}(?: {_CAPITAL})?)", length=_name, cased=True),
    _rule(
        "name",
        r"(?:我叫|我的名字[叫是]|(?:姓名|户名|持卡人)[:：是为叫] ?)",
        rf"(?P<x>[{_ZH}]{{1,6}}·[{_ZH}]{{1,8}}|{SURNAME}{GIVEN_NAME}|{_FULL_NAME})",
        cased=True,
    ),
    _rule("name", rf"(?<![由对关至])(?P<x>{SURNAME}[{_ZH}]{{0,2}}?)(?=先生|女士|太太|小姐)"),
)
RULES = (*_BY_SHAPE, *_BY_CUE, *_PHONES, *_PLACES, *_NAMES)
