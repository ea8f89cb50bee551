"""Invented news in any amount, the same for the same seed: English and Chinese, with copies among them.

It measures the machinery (pipelines.benchmark_ingest), never the quality of a classifier.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.news import Classification, FeedItem, Sentiment

CHINESE = 0.4  # share of the articles
COPIES = 0.1
_OUTLETS = [f"{place} {kind}" for place in ("Harbour", "Northgate", "Ledger", "Quayside", "Mingjing", "Jianghai")
            for kind in ("Courier", "Wire", "Daily", "Times", "Post")]  # fmt: skip
_SYLLABLES = (
    "al ber cor dan el far gor hel in jor kes lun mar nor or pel quin ros sel tor un vel wes yar zen".split()
)
_HAN = "安博宸达恩丰光海弘嘉景康朗铭宁鹏启瑞盛泰维祥永远兆中卓正信"
_KINDS = ("Bank", "Energy", "Logistics", "Foods", "Steel", "Software", "Pharma", "Motors", "Retail", "Airlines")
_KINDS_ZH = ("银行", "能源", "物流", "食品", "钢铁", "软件", "医药", "汽车", "零售", "航空")

# What happens, by topic: a negative and a positive or neutral turn.
_EVENTS = {
    "earnings": (("reports a loss of {n} million", "misses profit forecasts by {p} %"),
                 ("reports a profit of {n} million", "lifts quarterly revenue by {p} %")),
    "cyber": (("suffers a data breach at {n} branches", "halts services for {k} hours after an outage"),
              ("completes the renewal of {n} systems", "opens its {k}th data centre")),
    "credit": (("delays repayment of a {n} million bond", "is downgraded by {k} notches"),
               ("repays a {n} million loan early", "places a {n} million bond")),
    "regulation": (("is fined {n} million by the regulator", "faces a lawsuit by {n} clients"),
                   ("receives approval for {k} licences", "settles its dispute for {n} million")),
    "labour": (("cuts {n} jobs", "loses {k} days to a strike at its plants"),
               ("hires {n} engineers", "agrees on a pay rise of {p} %")),
    "deals": (("calls off its {n} million merger", "writes {n} million off on a purchase"),
              ("buys a rival for {n} million", "sells {k} depots for {n} million")),
    "product": (("recalls {n} units", "stops the sale of {k} models"),
                ("launches {k} models", "delivers {n} units in a month")),
}  # fmt: skip
_EVENTS_ZH = {
    "earnings": (("亏损{n}万元", "利润低于预期{p}%"), ("盈利{n}万元", "季度收入增长{p}%")),
    "cyber": (("{n}家网点发生数据泄露", "系统中断{k}小时"), ("完成{n}套系统升级", "启用第{k}座数据中心")),
    "credit": (("推迟兑付{n}万元债券", "评级遭下调{k}级"), ("提前偿还{n}万元贷款", "发行{n}万元债券")),
    "regulation": (("被监管罚款{n}万元", "遭{n}名客户起诉"), ("获批{k}张牌照", "以{n}万元达成和解")),
    "labour": (("裁员{n}人", "工厂罢工{k}天"), ("招聘{n}名工程师", "同意加薪{p}%")),
    "deals": (("终止{n}万元合并", "收购减值{n}万元"), ("以{n}万元收购同业", "出售{k}座仓库")),
    "product": (("召回{n}件产品", "停售{k}款车型"), ("推出{k}款新品", "单月交付{n}件")),
}
_WHO = "analysts,suppliers,two directors,the works council,old clients,local officials,a rival,auditors".split(",")
_SAY = "said,noted,wrote,told reporters,warned,explained,confirmed,recalled".split(",")
_WHAT = ("the step had been in preparation since week {k}", "no more than {p} % of sales depend on it",
         "the order book stands at {n} contracts", "costs of {n} million are expected by month {k}",
         "the board of {c} meets again in {k} days", "stocks in {t} last for {k} weeks",
         "the change touches {n} households in {t}", "prices moved by {p} % against a year ago",
         "negotiations with {c} go on until the {k}th", "{n} tonnes pass through {t} each quarter")  # fmt: skip
_WHO_ZH = "分析师,供应商,两名董事,工会,老客户,当地官员,竞争对手,审计师".split(",")
_SAY_ZH = "表示,指出,写道,告诉记者,提醒,解释称,确认,回忆".split(",")
_WHAT_ZH = ("此举自第{k}周起筹备", "仅{p}%的销售与之相关", "在手订单共{n}份", "预计到{k}月花费{n}万元",
            "{c}董事会将在{k}天后再次开会", "{t}库存可用{k}周", "此次调整涉及{t}的{n}户家庭",
            "价格较去年同期变动{p}%", "与{c}的谈判持续到{k}日", "每季度有{n}吨货物经过{t}")  # fmt: skip
_NEGATIVE = ("loss", "misses", "breach", "outage", "delays", "downgraded", "fined", "lawsuit", "cuts", "strike",
             "calls off", "writes", "recalls", "stops", "亏损", "低于", "泄露", "中断", "推迟", "下调", "罚款",
             "起诉", "裁员", "罢工", "终止", "减值", "召回", "停售")  # fmt: skip


@dataclass(frozen=True)
class Company:
    """An invented company, with its Chinese name."""

    name: str
    chinese: str


def companies(count: int, seed: int = 0) -> list[Company]:
    """Companies with names that differ."""
    chance = random.Random(seed)
    found: dict[str, Company] = {}
    while len(found) < count:
        place = "".join(chance.sample(_SYLLABLES, 3)).capitalize()
        kind = chance.randrange(len(_KINDS))
        chinese = "".join(chance.sample(_HAN, 3)) + _KINDS_ZH[kind]
        found.setdefault(place, Company(f"{place} {_KINDS[kind]}", chinese))
    return list(found.values())


def days(
    articles: int, until: datetime, length_days: int, listed: Sequence[Company], seed: int = 0
) -> Iterator[list[FeedItem]]:
    """The articles of each day up to `until`, in the order of publication; about COPIES of them are copies."""
    chance = random.Random(seed + 1)
    recent: list[FeedItem] = []
    for day in range(length_days):
        begin = until - timedelta(days=length_days - day)
        count = articles * (day + 1) // length_days - articles * day // length_days
        items: list[FeedItem] = []
        for number in range(count):
            at = begin + timedelta(days=1) * (number + 1) / (count + 1)
            if recent and chance.random() < COPIES:
                items.append(_copy(chance.choice(recent), at, f"{day}-{number}", chance))
            else:
                items.append(_article(at, f"{day}-{number}", listed, chance))
                recent = [*recent[-500:], items[-1]]
        yield items


def by_keyword(title: str, text: str) -> Classification:
    """Sentiment and topic of such an article, with the certainty of someone who knows the templates."""
    head = f"{title} {text[:80]}"
    negative = any(word in title for word in _NEGATIVE)
    sentiment = Sentiment.NEGATIVE if negative else Sentiment.NEUTRAL
    topic = next((topic for topic, marks in _MARKS.items() if any(mark in head for mark in marks)), "other")
    scores: dict[str, float] = {label: 0.9 if label == sentiment else 0.05 for label in Sentiment}
    return Classification(sentiment, scores, topic, {topic: 1.0}, (title,))


def _article(at: datetime, key: str, listed: Sequence[Company], chance: random.Random) -> FeedItem:
    chinese = chance.random() < CHINESE
    company, topic, good = chance.choice(listed), chance.choice(list(_EVENTS)), chance.random() < 0.6
    what = chance.choice((_EVENTS_ZH if chinese else _EVENTS)[topic][good])
    joint, name = ("", company.chinese) if chinese else (" ", company.name)
    title = _filled(f"{name}{joint}{what}", listed, chance, chinese)
    lead = f"{name}{joint}{_filled(what, listed, chance, chinese)}"
    count = chance.randint(5, 10)
    texts = [_sentence(listed, chance, chinese) for _ in range(count)]
    text = f"{lead}。{''.join(texts)}" if chinese else f"{lead}. {' '.join(texts)}"
    return FeedItem(f"https://news.example/{at:%Y%m%d}/{key}", title, text, at, chance.choice(_OUTLETS))


def _sentence(listed: Sequence[Company], chance: random.Random, chinese: bool) -> str:
    if chinese:
        said = f"{chance.choice(_WHO_ZH)}{chance.choice(_SAY_ZH)}，"
        return _filled(f"{said}{chance.choice(_WHAT_ZH)}，而{chance.choice(_WHAT_ZH)}。", listed, chance, True)
    said = f"{chance.choice(_WHO).capitalize()} {chance.choice(_SAY)} that "
    return _filled(f"{said}{chance.choice(_WHAT)}, while {chance.choice(_WHAT)}.", listed, chance, False)


def _filled(template: str, listed: Sequence[Company], chance: random.Random, chinese: bool) -> str:
    other = chance.choice(listed)
    town = "".join(chance.sample(_HAN, 2)) + "市" if chinese else "".join(chance.sample(_SYLLABLES, 2)).capitalize()
    values = {"n": chance.randint(11, 9999), "k": chance.randint(2, 28), "p": chance.randint(11, 499) / 10}
    return template.format(**values, t=town, c=other.chinese if chinese else other.name)


def _copy(item: FeedItem, at: datetime, key: str, chance: random.Random) -> FeedItem:
    """Another outlet's print of it: as it is, or with a line of its own."""
    outlet = chance.choice(_OUTLETS)
    text = item.text if chance.random() < 0.5 else f"{item.text} ({outlet})"
    return replace(item, url=f"https://copy.example/{at:%Y%m%d}/{key}", text=text, published_at=at, outlet=outlet)


def _marks(events: tuple[tuple[str, ...], ...]) -> list[str]:
    """The words of a topic's events that stand between the figures."""
    return [piece for turn in events for text in turn for piece in _pieces(text) if len(piece) > 1]


def _pieces(template: str) -> list[str]:
    for place in ("{n}", "{k}", "{p}"):
        template = template.replace(place, "|")
    return [piece.strip() for piece in template.split("|") if piece.strip() not in ("", "%", "million", "万元")]


_MARKS = {topic: _marks(_EVENTS[topic]) + _marks(_EVENTS_ZH[topic]) for topic in _EVENTS}
