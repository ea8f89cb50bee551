"""Filters in the page's address."""

import gradio as gr

from app.ui.analyst.links import Remembered, remember, restored


def test_restored_takes_what_the_link_may_say_and_leaves_the_rest() -> None:
    fields = {"topic": gr.Dropdown(), "company": gr.Dropdown(), "copies": gr.Checkbox(), "days": gr.Dropdown()}
    link = {"topic": "cyber", "company": "Copperline", "copies": "true", "days": "<script>", "else": "x"}
    updates = restored(Remembered(fields, {"topic": ["cyber"], "days": ["7"]}), link)
    assert updates[:3] == ["cyber", "Copperline", True]
    assert updates[3] == gr.skip()


def test_remember_names_every_field_once() -> None:
    script = remember(["topic", "company"])
    assert '["topic", "company"]' in script
    assert "replaceState" in script
