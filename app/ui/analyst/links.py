"""Saved views: what a tab shows stands in the page's address, so that a link brings it back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr

TAB = "tab"


class Remembered(NamedTuple):
    """The fields that a tab's link holds, by their names there; a value must be one of `allowed`, if given."""

    fields: Mapping[str, Any]
    allowed: Mapping[str, Sequence[str]]


def remember(names: Sequence[str]) -> str:
    """JavaScript for a listener with these fields as inputs: writes them into the address, without a reload."""
    return f"""(...values) => {{
  const address = new URL(window.location);
  {json.dumps(list(names))}.forEach((name, place) => {{
    const value = values[place];
    if (value === '' || value === null || value === undefined || value === false) address.searchParams.delete(name);
    else address.searchParams.set(name, String(value));
  }});
  window.history.replaceState(window.history.state, '', address);
}}"""


def remember_tab(tab: str) -> str:
    """JavaScript for the choice of a tab."""
    return f"""() => {{
  const address = new URL(window.location);
  address.searchParams.set('{TAB}', '{tab}');
  window.history.replaceState(window.history.state, '', address);
}}"""


def restored(remembered: Remembered, query: Mapping[str, str]) -> list[Any]:
    """Updates of the fields from the query of a link; what it does not name, or may not, stays as it is."""
    updates: list[Any] = []
    for name, field in remembered.fields.items():
        value = query.get(name)
        allowed = remembered.allowed.get(name)
        if value is None or (allowed is not None and value not in allowed) or len(value) > 200:
            updates.append(gr.skip())
        else:
            updates.append(value == "true" if isinstance(field, gr.Checkbox) else value)
    return updates
