"""Pure checks of what goes in and out of a conversation: language, requests, figures."""

import re
from collections.abc import Iterable

from app.domain.figures import figures_in

_CJK = re.compile(r"[\u3400-\u9fff]")
_FUNCTION = re.compile("[的了吗呢怎什么多少如何能要是有没我你您不]")
_WORD = re.compile(r"[A-Za-z]+")
_ABBREVIATION = re.compile(r"(?<![A-Za-z])[A-Z]{2,}(?![A-Za-z])")
_CITATION = re.compile(r"( ?)\[(\d{1,2})\]")

_HUMAN = r"\b(?:human|person|agent|some(?:one|body)|advis[eo]r|representative|manager|operator|colleague|team)\b"
_PERSON = re.compile(
    rf"\b(?:speak|talk|chat)(?:ing)? (?:to|with)\b.{{0,30}}?{_HUMAN}"
    rf"|\b(?:connect|transfer|put) (?:me|us)\b.{{0,20}}{_HUMAN}"
    rf"|{_HUMAN} (?:that |whom? )?(?:I|we) (?:can|could) (?:speak|talk|chat)\b"
    r"|\b(?:want|need|get|give) (?:me )?an? (?:human|agent|representative)\b"
    r"|\b(?:real|live|actual) (?:human|person|agent)\b"
    r"|\bput (?:me|us) through\b|\b(?:call|ring|phone) me back\b"
    r"|\b(?:human|agent|representative|operator),? please\b|^\W*(?:human|agent|person|operator)\W*$"
    r"|(?:转|找|要|换|接)(?:一?个|一下|到|接)?(?:人工|真人|客服人员|工作人员)(?!智能|认证|验证|核|费)"
    r"|(?:跟|和|与)(?:一?个)?(?:真人|活人|客服|人)(?:说话|聊|谈|沟通|对话|讲)"
    r"|给我回个?电"
    r"|(?:人工|真人)(?:客服|服务|坐席)(?!.{0,4}(?:时间|几点|电话|号码|费))|^\W*(?:人工\W*)+$",
    re.IGNORECASE,
)
_YES = re.compile(
    r"\W*(?:yes|yeah|yep|sure|ok|okay|please|i would|go ahead)"
    r"(?:\W+(?:yes|please|thanks|thank you|i would|go ahead))*\W*"
    r"|\W*(?:好|是|要|需要|可以|行|嗯|转)(?:的|吧|呀|啊|，|、|谢谢|麻烦|需要|您|你|了)*\W*",
    re.IGNORECASE,
)


def language_of(text: str) -> str:
    """'zh' when Chinese characters weigh no less than Latin words, else 'en'.

    One Chinese character says about as much as half an English word, and shows as much as a whole one if it is
    none that names are made of: "Apple Pay 怎么用". Abbreviations (SWIFT) belong to both languages.
    """
    characters, words = len(_CJK.findall(text)), len(_WORD.findall(_ABBREVIATION.sub(" ", text)))
    weight = 1 if _FUNCTION.search(text) else 2
    return "zh" if characters and characters >= weight * words else "en"


def shows_language(text: str) -> bool:
    """Whether a text is enough to tell its language by; "ATM?" or "500" is not."""
    return bool(_CJK.search(text)) or len(_WORD.findall(_ABBREVIATION.sub(" ", text))) > 1


def asks_for_person(text: str) -> bool:
    """Whether the customer asks to talk to a human being."""
    return bool(_PERSON.search(text))


def agrees(text: str) -> bool:
    """Whether a text says yes to what was offered, and nothing else."""
    return bool(_YES.fullmatch(text))


def numbers_in(text: str) -> set[str]:
    """The figures of a text in one form (see figures), citations left out."""
    return figures_in(_CITATION.sub(" ", text))


def unsupported_numbers(reply: str, sources: Iterable[str]) -> set[str]:
    """Figures that a reply states and none of its sources (passages, the question) does."""
    known: set[str] = set()
    for source in sources:
        known |= numbers_in(source)
    return numbers_in(reply) - known


def cited_numbers(reply: str) -> list[int]:
    """Numbers of the citation marks of a reply, in order of first appearance."""
    return list(dict.fromkeys(int(number) for _, number in _CITATION.findall(reply)))


def renumber_citations(reply: str, kept: list[int]) -> str:
    """Rewrite the marks so that `kept` become 1, 2, ...; marks that are not kept vanish."""
    order = {number: i for i, number in enumerate(kept, 1)}
    return _CITATION.sub(lambda m: f"{m[1]}[{order[int(m[2])]}]" if int(m[2]) in order else "", reply)
