"""Links that take tables out of the application as files."""

FORMATS = ("csv", "json", "parquet")


def export_links(what: str, corrections: bool = False) -> str:
    """HTML with one link a format; the browser saves what comes."""
    links = " ".join(
        f'<a href="/api/v1/exports/{what}.{form}" download aria-label="Export all {what} as {form}">'
        f"{'Parquet' if form == 'parquet' else form.upper()}</a>"
        for form in FORMATS
    )
    more = ""
    if corrections:
        more = ' · <a href="/api/v1/exports/corrections.jsonl" download>Corrections for training (JSON Lines)</a>'
    return f'<div class="bw"><p class="bw-small">Export all {what}: {links}{more}</p></div>'
