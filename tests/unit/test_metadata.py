"""Language, product and validity, from front matter and from columns."""

from pathlib import Path

import pytest

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.documents import read_document, read_folder
from app.integrations.metadata import Metadata, field_name, metadata_of, split_front_matter

FRONT = """---
title: Fees of the branch
language: zh-CN
product: "Plus Account"
valid-from: 2025-01-01   # as the board decided
valid_until: 2025-03-31
tags: [fees, cards]
---
"""


def read(root: Path, name: str, text: str) -> list[Passage]:
    (root / name).write_text(text, "utf-8")
    return read_document(root / name, root)


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_front_matter_gives_its_metadata_to_every_chunk(tmp_path: Path, name: str) -> None:
    passages = read(tmp_path, name, FRONT + "A copy costs £4. " * 120)
    assert len(passages) > 1
    for passage in passages:
        assert passage.text.startswith("A copy costs")
        assert (passage.language, passage.product, passage.title) == ("zh", "Plus Account", "Fees of the branch")
        assert (passage.valid_from, passage.valid_until) == ("2025-01-01", "2025-03-31")


def test_front_matter_of_another_kind_is_left_out_and_means_nothing(tmp_path: Path) -> None:
    for front in ("---\ndraft: true\n---\n", "---\n---\n", "---\n# a comment\n---\n"):
        assert read(tmp_path, "a.md", f"{front}# Fees\n\nNone.") == [Passage("a.md", "None.", "Fees")]


def test_text_between_rules_is_text(tmp_path: Path) -> None:
    text = "---\nWe open at nine on weekdays.\n\n---\nCall us: it is free.\n"
    assert "open at nine" in " ".join(p.title + p.text for p in read(tmp_path, "a.md", text))
    assert split_front_matter("---\nfees: 4: 5\n---\n") == ({}, "---\nfees: 4: 5\n---\n")
    assert split_front_matter("---\nproduct: x\nno end\n") == ({}, "---\nproduct: x\nno end\n")


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("valid_from: 1 March 2025", "valid_from '1 March 2025', which is no day; write it as YYYY-MM-DD"),
        ("valid_until: 2025-02-30", "valid_until '2025-02-30', which is no day"),
        ("valid_until: 20250228", "which is no day"),
        ("valid_until: 2025-02-28T10:00", "which is no day"),
        ("valid_from: 2025-02-01\nvalid_until: 2025-01-31", "from 2025-02-01 until 2025-01-31, which is never"),
        ("language: English", "language 'English'; write a code such as en or zh"),
        ("product: [Plus, Student]", "several values for product"),
        ("product: Plus: new", r"not valid YAML \(line 2\)"),
    ],
)
def test_bad_front_matter_names_the_file_and_it_is_skipped(tmp_path: Path, front: str, reason: str) -> None:
    (tmp_path / "b.md").write_text("# Fees\n\nNone.")
    with pytest.raises(UnreadableDocument, match=f"^a.md .*{reason}"):
        read(tmp_path, "a.md", f"---\n{front}\n---\nText.")
    passages, errors = read_folder(tmp_path)
    assert [p.source for p in passages] == ["b.md"]
    assert list(errors) == ["a.md"]


ROWS = {
    "a.csv": "Question,Answer,Product,Valid From,valid_until,language\n"
    "Fee?,£4,Plus Account,2025-01-01,{until},EN\n",
    "a.jsonl": '{{"question": "Fee?", "answer": "£4", "product": "Plus Account", "valid_from": "2025-01-01", '
    '"valid_until": "{until}", "language": "en-GB", "note": null}}\n',
}


@pytest.mark.parametrize("name", ROWS)
def test_columns_give_their_metadata_to_the_row(tmp_path: Path, name: str) -> None:
    (passage,) = read(tmp_path, name, ROWS[name].format(until="2025-03-31"))
    assert passage == Passage(
        f"{name}#0", "£4", "", "Fee?", "en", 0.0, (), "Plus Account", "2025-01-01", "2025-03-31"
    )  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_bad_day_in_a_row_names_the_row(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UnreadableDocument, match=f"^{name} has the valid_until '31.3.25' in row 0, which is no day"
    ):
        read(tmp_path, name, ROWS[name].format(until="31.3.25"))


def test_metadata_is_empty_where_nothing_is_said() -> None:
    assert metadata_of({"valid_from": None, "language": " ", "tags": ["x"]}) == Metadata()
    assert (
        metadata_of({"valid_from": 20250101.5, "other": 1} | {"valid_from": "2025-01-01"}).valid_from
        == "2025-01-01"
    )
    assert [field_name(name) for name in (" Valid Until", "valid-until", "VALID_UNTIL")] == ["valid_until"] * 3
