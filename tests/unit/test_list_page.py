"""Pages that list articles."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.domain.errors import InvalidInput, NotAFeed
from app.domain.news import FeedItem
from app.integrations.list_page import read_list

URL = "https://regulator.example/news/index.html"
PAGE = """<html><head><meta charset="gbk"></head><body><nav><a href="/">首页</a></nav><ul class="list">
<li><a href="a.html">铜线银行  被处罚</a><time datetime="2024-05-01 18:00">5月1日</time></li>
<li><span><a href="/b.html" title="全文标题"></a></span><time>2024年4月30日</time></li>
<li>no link</li><li><a href="javascript:void(0)">js</a></li><li><a href="a.html">again</a></li>
<li><a href="index.html">this page</a></li></ul></body></html>"""


def test_read_list_gives_links_titles_and_local_times() -> None:
    items = read_list(PAGE.encode("gb18030"), "text/html", URL, "ul.list li", ZoneInfo("Asia/Shanghai"))
    assert items == [
        FeedItem(
            "https://regulator.example/news/a.html", "铜线银行 被处罚", "", datetime(2024, 5, 1, 10, tzinfo=UTC)
        ),
        FeedItem("https://regulator.example/b.html", "全文标题", "", datetime(2024, 4, 29, 16, tzinfo=UTC)),
    ]


def test_read_list_takes_a_selector_of_the_links_themselves() -> None:
    items = read_list(PAGE.encode("gb18030"), "text/html; charset=gbk", URL, "ul.list a[href$='.html']")
    assert [item.url.rpartition("/")[2] for item in items] == ["a.html", "b.html"]


def test_read_list_without_a_match_says_so() -> None:
    for content in (PAGE.encode("gb18030"), b"", b"plain"):
        with pytest.raises(NotAFeed, match="finds no link"):
            read_list(content, "", URL, "ol.news a")


@pytest.mark.parametrize("selector", ["li >", "a:nonesuch", "[[", "a::text"])
def test_read_list_with_an_unusable_selector_says_so(selector: str) -> None:
    with pytest.raises(InvalidInput, match="CSS selector"):
        read_list(PAGE.encode("gb18030"), "", URL, selector)
