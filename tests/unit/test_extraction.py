"""Text of web pages, and languages."""

from datetime import UTC, datetime

import pytest

from app.domain.errors import NotAFeed
from app.integrations.extraction import detect_language, extract_page, parse_time, visible_text

URL = "https://news.example/story"
STORY = "Copperline Bank said on Monday that its mobile service had been restored after a night of failures. " * 4


def page(body: str, head: str = "<title>Outage at Copperline</title>") -> bytes:
    return f"<!DOCTYPE html><html><head><meta charset='utf-8'>{head}</head><body>{body}</body></html>".encode()


def test_extract_article_with_title_text_and_exact_time() -> None:
    head = '<title>Outage</title><meta property="article:published_time" content="2024-05-01T10:30:00+08:00">'
    body = f"<nav><a href='/'>Home</a></nav><article><h1>Outage</h1><p>{STORY}</p></article><footer>Legal</footer>"
    item = extract_page(page(body, head), URL)
    assert (item.url, item.title) == (URL, "Outage")
    assert "restored after a night" in item.text
    assert "Home" not in item.text
    assert item.published_at == datetime(2024, 5, 1, 2, 30, tzinfo=UTC)


def test_extract_sparse_page_falls_back_to_visible_text() -> None:
    item = extract_page(page("<div>Closed today.</div><script>track()</script>"), URL)
    assert item.text == "Closed today."
    assert item.title == "Outage at Copperline"


def test_extract_chinese_page_in_its_declared_encoding() -> None:
    html = "<html><head><meta charset='gb2312'><title>铜线银行</title></head><p>手机银行服务中断。</p></html>"
    assert "手机银行服务中断" in extract_page(html.encode("gb18030"), URL).text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain words",
        b"%PDF-1.7 \x00\x01",
        page("<script>render()</script>", ""),
        page("", ""),
        b"<",
        b"<!-- -->",
    ],
)
def test_extract_page_without_text_is_refused(content: bytes) -> None:
    with pytest.raises(NotAFeed, match=URL):
        extract_page(content, URL)


def test_visible_text_folds_white_space_and_keeps_blocks_apart() -> None:
    assert (
        visible_text("<p>One\n two</p><ul><li>a<li>b</ul>tail<br>end<style>x</style>") == "One two\na\nb\ntail\nend"
    )


@pytest.mark.parametrize("value", ["", "soon", "0001-01-01T00:00:00+14:00", "2024-02-30"])
def test_parse_time_unusable_is_none(value: str) -> None:
    assert parse_time(value) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我的卡丢了", "zh"),
        ("我的 debit card 丢了怎么办", "zh"),
        ("泰塞尔半导体 Q3 EPS 超预期 Tessel Semiconductor", "zh"),
        ("Copperline Bank (铜线银行) said on Monday it would raise fees", "en"),
        ("カードをなくしました", "ja"),
        ("카드를 잃어버렸어요", "ko"),
        ("Ich habe meine Karte verloren und brauche Hilfe", "de"),
        ("Les actions de la banque ont chuté de 10 % mardi", "fr"),
        ("Банк сообщил об убытках за третий квартал", "ru"),
        ("How do I replace a lost card?", "en"),
        ("BRIGHTWATER UTILITIES CUTS ITS OUTLOOK", "en"),
        ("ATM", "en"),
        ("Q3: 12.5 %", "en"),
        ("", "en"),
    ],
)
def test_detect_language(text: str, language: str) -> None:
    assert detect_language(text) == language
