"""Bytes of the web to text, by what they declare and by what they are."""

import codecs
import re

from charset_normalizer import from_bytes

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_IN_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_IN_DOCUMENT = re.compile(
    rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]+)|<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([\w.:-]+)",
    re.IGNORECASE,
)
# What these names stand for on the web (WHATWG Encoding, section 4.2): the larger set that contains them.
_WIDER = {
    **dict.fromkeys(("gb2312", "gbk", "gb_2312-80", "x-gbk", "chinese"), "gb18030"),
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii"), "cp1252"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5"), "big5hkscs"),
    **dict.fromkeys(("shift_jis", "sjis", "x-sjis"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
}
_SNIFFED = 32_768  # bytes that a guess is made from
_CANDIDATES = ["gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "cp1252", "koi8_r"]
_DAMAGED = 0.02  # a text with a larger share of undecodable places was not meant in that charset


def decode_text(content: bytes, content_type: str = "") -> str:
    """The text of a page: BOM first, then UTF-8 where it fits, then what header and document declare, then a guess.

    UTF-8 comes before the declarations because text in another charset is hardly ever valid UTF-8 by chance,
    while declarations are often left over from another time. Never raises: what cannot be decoded is replaced.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if not content.isascii():
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    for encoding in (*declared(content, content_type), "utf-8"):
        text = content.decode(encoding, "replace")
        if text.count("\ufffd") <= _DAMAGED * len(text):
            return text
    best = from_bytes(content[:_SNIFFED], cp_isolation=_CANDIDATES).best()
    return content.decode(best.encoding if best else "utf-8", "replace")


def declared(content: bytes, content_type: str = "") -> list[str]:
    """The usable encodings that header and document name, in this order."""
    names = [found[1] for found in [_IN_HEADER.search(content_type)] if found]
    if found := _IN_DOCUMENT.search(content[:4096]):
        names.append((found[1] or found[2]).decode("ascii", "ignore"))
    return [encoding for name in names if (encoding := _codec(name))]


def _codec(name: str) -> str | None:
    name = _WIDER.get(name.lower(), name)
    try:
        found = codecs.lookup(name)
        b"abcd".decode(found.name, "replace")  # refuses codecs that are not of text
    except (LookupError, ValueError):
        return None
    return found.name
