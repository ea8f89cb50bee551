"""Charsets: declared, left undeclared, declared wrongly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.integrations.charset import declared, decode_text

CHINESE = (
    "铜线银行今日确认，在手机银行停止服务期间，约四十二万名客户的资料被入侵者复制，监管部门要求其提交完整说明。"
)
TRADITIONAL = (
    "銅線銀行今日確認，在手機銀行停止服務期間，約四十二萬名客戶的資料被入侵者複製，監管部門要求其提交完整說明。"
)
RUSSIAN = "Банк подтвердил, что злоумышленники скопировали данные клиентов во время сбоя приложения."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(CHINESE, "utf-8"), (CHINESE, "gb18030"), (TRADITIONAL, "big5"), (RUSSIAN, "cp1251"), (CHINESE, "utf-16")],
)
def test_decode_undeclared_text_finds_its_charset(text: str, encoding: str) -> None:
    page = f"<html><body><p>{text}</p></body></html>"
    assert decode_text(page.encode(encoding)) == page


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        ("公司".encode("gb18030"), "text/html; charset=gb2312", "公司"),
        ("<meta charset=gb2312>堃".encode("gb18030"), "", "<meta charset=gb2312>堃"),
        ("<meta charset='gb2312'>公司".encode(), "text/html; charset=ISO-8859-1", "<meta charset='gb2312'>公司"),
        (b"the bank\x92s", "text/html; charset=iso-8859-1", "the bank’s"),
        ("日本".encode("iso2022_jp"), "text/html; charset=iso-2022-jp", "日本"),
        (b"\xef\xbb\xbfplain", "text/html; charset=gbk", "plain"),
        (b"plain", "text/html; charset=rot13", "plain"),
        (b"plain", "text/html; charset=none-such", "plain"),
    ],
)
def test_decode_weighs_declarations_against_the_bytes(content: bytes, content_type: str, expected: str) -> None:
    assert decode_text(content, content_type) == expected


def test_decode_text_with_one_broken_place_keeps_the_rest() -> None:
    text = decode_text(CHINESE.encode("gb18030") + b"\xff", "text/html; charset=gbk")
    assert text.startswith(CHINESE)


def test_declared_names_header_before_document() -> None:
    content = b'<?xml version="1.0" encoding="big5"?>'
    assert declared(content, "text/xml; charset=GBK") == ["gb18030", "big5hkscs"]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.one_of(st.just(""), st.text(max_size=40)))
def test_decode_never_raises(content: bytes, content_type: str) -> None:
    decode_text(content, content_type).encode("utf-8", "surrogatepass")
