"""One look for every page: colours, the Gradio theme, style sheet and head. No foreign host is named.

Sentiment never relies on red against green: negative is vermillion, positive blue-teal, neutral grey, and
each is always accompanied by its word. The pairs for light and dark keep 4.5:1 against their background.
"""

import gradio as gr

from app.ui.highlight import HIGHLIGHT_CSS

NEGATIVE, NEUTRAL, POSITIVE = "#d9541e", "#8592a6", "#0d9488"  # chart fills: 3:1 on light and on dark
ACCENT = "#1f5f99"

FONT_STACK = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei", '
    '"Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif'
)
MONO_STACK = 'ui-monospace, "Cascadia Mono", Consolas, "DejaVu Sans Mono", monospace'

_BLUE = gr.themes.Color(
    name="bellwether",
    c50="#eff6fc",
    c100="#dcebf8",
    c200="#bcd8f0",
    c300="#8fbde4",
    c400="#5b9bd3",
    c500="#2f7bbd",
    c600="#1f5f99",
    c700="#1a4e7e",
    c800="#183f65",
    c900="#163553",
    c950="#0e2238",
)


def build_theme() -> gr.themes.Base:
    """The Gradio theme of both pages; light and dark."""
    return gr.themes.Base(
        primary_hue=_BLUE,
        secondary_hue=_BLUE,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_sm,
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ).set(
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#10151d",
        body_text_color="#1b2430",
        body_text_color_dark="#e6ebf2",
        body_text_color_subdued="#566274",
        body_text_color_subdued_dark="#a3afc0",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#171e28",
        background_fill_secondary="#f6f7f9",
        background_fill_secondary_dark="#10151d",
        border_color_primary="#d8dee6",
        border_color_primary_dark="#2c3644",
        block_background_fill="#ffffff",
        block_background_fill_dark="#171e28",
        block_border_color="#d8dee6",
        block_border_color_dark="#2c3644",
        block_shadow="none",
        block_label_text_color="#566274",
        block_label_text_color_dark="#a3afc0",
        block_title_text_color="#3a4556",
        block_title_text_color_dark="#c4cdd9",
        block_title_text_weight="500",
        input_background_fill="#ffffff",
        input_background_fill_dark="#10151d",
        input_border_width="1px",
        input_border_color="#b9c3cf",
        input_border_color_dark="#3d495a",
        button_primary_background_fill="#1f5f99",
        button_primary_background_fill_dark="#2f7bbd",
        button_primary_background_fill_hover="#1a4e7e",
        button_primary_background_fill_hover_dark="#1f5f99",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#1f2936",
        button_secondary_border_color="#b9c3cf",
        button_secondary_border_color_dark="#3d495a",
        button_border_width="1px",
        button_large_text_weight="500",
        button_small_text_weight="500",
        link_text_color="#1f5f99",
        link_text_color_dark="#8fbde4",
        link_text_color_visited="#1f5f99",
        link_text_color_visited_dark="#8fbde4",
        link_text_color_hover="#163553",
        link_text_color_hover_dark="#bcd8f0",
    )


THEME = build_theme()

# Colours and type that the sign-in page shares with the Gradio pages.
VARIABLES = f"""
:root {{
  --bw-page: #f6f7f9; --bw-card: #ffffff; --bw-line: #d8dee6; --bw-text: #1b2430; --bw-soft: #566274;
  --bw-accent: {ACCENT}; --bw-accent-text: #ffffff; --bw-field: #b9c3cf;
  --bw-negative: #b8400b; --bw-neutral: #566274; --bw-positive: #0b7268; --bw-warn: #fff4ec;
  --bw-negative-fill: {NEGATIVE}; --bw-neutral-fill: {NEUTRAL}; --bw-positive-fill: {POSITIVE};
  --bw-font: {FONT_STACK};
}}
"""
_DARK = """
  --bw-page: #10151d; --bw-card: #171e28; --bw-line: #2c3644; --bw-text: #e6ebf2; --bw-soft: #a3afc0;
  --bw-accent: #2f7bbd; --bw-field: #3d495a;
  --color-accent: #6aa9de;
  --bw-negative: #ff9a62; --bw-neutral: #a3afc0; --bw-positive: #4fd1c3; --bw-warn: #2b211c;
"""

PAGE_CSS = f"{VARIABLES}\n@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}"

CSS = (
    VARIABLES
    + HIGHLIGHT_CSS
    + f".dark {{ {_DARK} }}"
    + f"\n:root, .dark {{ --font: {FONT_STACK}; --font-mono: {MONO_STACK}; }}"
    + """
.gradio-container { max-width: 1180px !important; width: 100% !important; margin: 0 auto !important; }
.gradio-container > .main { width: 100%; box-sizing: border-box; }
.bw-fragment .html-container { padding: 0 !important; }
.bw-fragment, .js-plotly-plot { overflow: visible; }
.modebar { display: none !important; }
.bw-title { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; }
.bw-title h1 { font-size: 1.25rem; font-weight: 600; margin: 0; }
.bw-title nav { margin-left: auto; display: flex; gap: 14px; align-items: baseline; font-size: .875rem; }
.bw-title form { margin: 0; }
.bw-title button, button.bw-plain { border: 1px solid var(--bw-field); border-radius: 4px; padding: 3px 10px;
  background: var(--bw-card); color: var(--bw-text); font: inherit; font-size: .875rem; cursor: pointer; }
.bw-title button:hover, button.bw-plain:hover { border-color: var(--bw-accent); }
button:focus-visible, a:focus-visible { outline: 2px solid var(--bw-accent) !important; outline-offset: 2px; }
.bw { color: var(--bw-text); font-size: .9375rem; line-height: 1.5; overflow-wrap: break-word; }
.bw a, .bw-title a { color: var(--link-text-color); text-underline-offset: 2px; }
.bw-address { overflow-wrap: anywhere; }
.bw h2 { font-size: 1.0625rem; margin: 20px 0 8px; font-weight: 600; }
.bw > h2:first-child { margin-top: 4px; }
.bw h3 { font-size: .9375rem; margin: 0; font-weight: 600; }
.bw p { margin: 4px 0; }
.bw-soft { color: var(--bw-soft); }
.bw-small { font-size: .8125rem; }
.bw-card { background: var(--bw-card); border: 1px solid var(--bw-line); border-radius: 6px; padding: 12px 14px; }
.bw-warn { background: var(--bw-warn); border-left: 4px solid var(--bw-negative-fill); }
.bw-stack > * + * { margin-top: 8px; }
.bw-grid { display: grid; gap: 8px; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); }
.bw-figure { font-size: 1.5rem; font-weight: 600; line-height: 1.2; font-variant-numeric: tabular-nums; }
.bw-word { font-size: 1.0625rem; line-height: 1.8rem; }
.bw-meta { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: .8125rem; color: var(--bw-soft); }
.bw-head { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; }
.bw-head > :last-child:not(:first-child) { margin-left: auto; }
.bw-mark { font-weight: 600; white-space: nowrap; }
.bw-mark::before { content: ""; display: inline-block; width: .6em; height: .6em; margin-right: .4em;
  background: currentColor; border-radius: 50%; }
.bw-negative { color: var(--bw-negative); } .bw-negative::before { border-radius: 0; }
.bw-positive { color: var(--bw-positive); } .bw-neutral { color: var(--bw-neutral); }
.bw-tag { border: 1px solid var(--bw-line); border-radius: 4px; padding: 0 6px; font-size: .8125rem;
  white-space: nowrap; }
button.bw-row { display: block; width: 100%; text-align: left; font: inherit; color: inherit; cursor: pointer; }
button.bw-row:hover { border-color: var(--bw-accent); }
button.bw-row[aria-pressed=true] { border-color: var(--bw-accent); box-shadow: inset 4px 0 0 var(--bw-accent); }
.bw-actions { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px; }
.bw table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.bw th { text-align: left; font-weight: 500; color: var(--bw-soft); font-size: .8125rem; }
.bw th, .bw td { padding: 5px 8px 5px 0; border-bottom: 1px solid var(--bw-line); vertical-align: top; }
.bw .bw-number { text-align: right; }
.bw td.bw-number { white-space: nowrap; }
.bw-words { white-space: pre-wrap; overflow-wrap: anywhere; }
.bw-said { border-left-width: 4px; } .bw-customer { border-left-color: var(--bw-field); }
.bw-agent-reply { border-left-color: var(--bw-accent); }
.bw-passage { font-size: .875rem; margin-top: 4px; } .bw-passage summary { cursor: pointer; }
.bw-agent-summary { display: block; margin: 2px 0; overflow-wrap: anywhere; }
.bw-excerpt { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.bw-quote { margin: 2px 0; padding-left: 10px; border-left: 3px solid var(--bw-line); font-size: .875rem; }
.bw-bar { height: 10px; border-radius: 2px; background: var(--bw-line); }
.bw-bar > i { display: block; height: 100%; border-radius: 2px; }
.bw-empty { text-align: center; padding: 28px 16px; color: var(--bw-soft); border: 1px dashed var(--bw-field);
  border-radius: 6px; }
.bw-article { white-space: pre-wrap; max-height: 22rem; overflow: auto; margin: 8px 0; }
.bw-elsewhere { margin-top: 14px; } .bw-elsewhere summary { cursor: pointer; font-weight: 600; }
.bw > h3 { margin: 14px 0 4px; } .bw ul { margin: 4px 0; padding-left: 1.2em; } .bw li + li { margin-top: 4px; }
.bw-empty strong { display: block; color: var(--bw-text); margin-bottom: 4px; }
.js-plotly-plot .xtick text, .js-plotly-plot .ytick text, .js-plotly-plot .legendtext,
.js-plotly-plot .annotation-text, .js-plotly-plot .ytitle, .js-plotly-plot .cbaxis text,
.js-plotly-plot .cbtitle text { fill: var(--bw-soft) !important; }
.js-plotly-plot .gridlayer path, .js-plotly-plot .zerolinelayer path { stroke: var(--bw-line) !important; }
@media (max-width: 640px) {
  .gradio-container { padding: 8px !important; }
  .bw-title nav { margin-left: 0; }
}
@media (prefers-reduced-motion: reduce) { * { animation-duration: .01ms !important; transition: none !important; } }
"""
)

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' "
    "height='32' rx='6' fill='%231f5f99'/%3E%3Cpath d='M6 21l7-8 5 5 8-10' fill='none' stroke='white' "
    "stroke-width='3'/%3E%3C/svg%3E"
)
HEAD = f'<meta name="color-scheme" content="light dark"><link rel="icon" href="{_ICON}">'
