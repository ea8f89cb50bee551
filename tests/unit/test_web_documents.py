"""Web pages as blocks."""

from app.integrations.blocks import Block
from app.integrations.web_documents import html_blocks


def blocks(html: str) -> list[Block]:
    return list(html_blocks(html))


def table(*lines: str) -> Block:
    head, *rest = lines
    return Block("\n".join([head, "|" + " --- |" * (head.count("|") - 1), *rest]), table=True)


def test_html_keeps_a_sentence_with_marks_in_it_whole() -> None:
    html = "<div>Call <b>us</b> on <a href='x'>0800</a>.<p>Or<br>write.</p>We <i>answer</i>.</div>"
    assert blocks(html) == [Block("Call us on 0800."), Block("Or write."), Block("We answer.")]
    assert blocks("<div>银行卡<b>免费</b>补办</div>") == [Block("银行卡免费补办")]


def test_html_finds_headings_wherever_they_stand() -> None:
    html = (
        "<body><header><h1>Fees</h1></header><span><div><h2>Cards</h2>Free.</div></span>"
        "<ul><li><h3>Abroad</h3><p>£15</p></li></ul><h2></h2></body>"
    )
    assert blocks(html) == [
        Block("Fees", 1), Block("Cards", 2), Block("Free."), Block("Abroad", 3), Block("£15"),
    ]  # fmt: skip


def test_html_says_what_stands_in_nested_lists_once() -> None:
    html = "<ul><li>Cards<ol><li>debit</li><li>credit</li></ol></li><li>Loans <p>personal</p></li></ul>"
    assert blocks(html) == [Block("- Cards\n  - debit\n  - credit\n- Loans personal")]


def test_html_table_has_its_caption_and_spans_in_place() -> None:
    html = """<table><caption>Limits</caption>
        <thead><tr><th rowspan=2>Item</th><th colspan=2>Fee</th></tr><tr><th>Everyday</th><th>Plus</th></tr></thead>
        <tr><td rowspan="2">Cash</td><td>£500</td><td>£750</td></tr><tr><td colspan="2">with PIN | card</td></tr>
    </table>"""
    assert blocks(html) == [
        Block("Limits"),
        table(
            "| Item | Fee Everyday | Fee Plus |",
            "| Cash | £500 | £750 |",
            "| Cash | with PIN \\| card | with PIN \\| card |",
        ),
    ]


def test_html_first_row_across_all_columns_is_a_caption() -> None:
    html = (
        "<table><tr><th colspan=2>Fees</th></tr><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
    )
    assert blocks(html) == [Block("Fees"), table("| a | b |", "| 1 | 2 |")]


def test_html_table_that_only_sets_out_the_page_is_what_stands_in_it() -> None:
    inner = "<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>"
    html = f"<table><tr><td>Menu</td><td><h2>Fees</h2><p>All.</p>{inner}</td></tr></table>"
    assert blocks(html) == [Block("Menu"), Block("Fees", 2), Block("All."), table("| a | b |", "| 1 | 2 |")]
    assert blocks("<table><tr><td><p>One</p><p>Two</p></td></tr></table>") == [Block("One"), Block("Two")]


def test_html_without_text_gives_nothing() -> None:
    assert blocks("<nav>Home</nav><script>x</script><!-- y --><table></table><ul></ul>") == []
    assert blocks("") == []
