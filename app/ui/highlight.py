"""A text with the words behind its sentiment marked, as HTML. Everything put into it is escaped.

Colour never stands alone: towards is underlined in full and away is dashed, stronger is thicker, each mark has
a title, and a caption names the words that weighed most, for a reader who sees no marks.
"""

from collections.abc import Sequence
from html import escape

from app.ml.explain import Explanation, Span
from app.services.letters import percent

LEVELS = (0.2, 0.45, 0.75)  # shares of the strongest word from which a word is marked weakly, clearly, strongly
STRENGTHS = ("weakly", "clearly", "strongly")
NAMED_WORDS = 5
LEAST_SCORE = 0.05  # in log-odds; where no word moves more than that, nothing stands out

# For the style sheet of the page; its variables are those of the theme, so that dark and light both hold.
# The text keeps the page's colour, and tints stay under half, which leaves it more than 4.5:1.
HIGHLIGHT_CSS = """
.bw-why { margin: 0; } .bw-why p { white-space: pre-wrap; line-height: 1.9; }
.bw-why mark { color: inherit; background: none; padding: 1px 0; text-underline-offset: 3px;
  text-decoration: underline solid var(--bw-why); text-decoration-thickness: var(--bw-why-line); }
.bw-why mark.bw-away { --bw-why: var(--bw-neutral); text-decoration-style: dashed; }
.bw-why mark { background: color-mix(in srgb, var(--bw-why) var(--bw-why-tint), transparent); }
.bw-why-1 { --bw-why-tint: 12%; --bw-why-line: 1px; } .bw-why-2 { --bw-why-tint: 24%; --bw-why-line: 2px; }
.bw-why-3 { --bw-why-tint: 40%; --bw-why-line: 3px; }
.bw-why-negative { --bw-why: var(--bw-negative-fill); } .bw-why-positive { --bw-why: var(--bw-positive-fill); }
.bw-why-neutral { --bw-why: var(--bw-accent); }
@media (forced-colors: active) { .bw-why mark { text-decoration-color: CanvasText; } }
"""


def highlight(explanation: Explanation, language: str = "") -> str:
    """The text in a <figure>: its words marked by strength, and a caption that says the same in words."""
    label = explanation.sentiment.value
    strongest = max((abs(span.score) for span in explanation.tokens), default=0.0)
    pieces, at = [], 0
    for span in explanation.tokens:
        pieces.append(_safe(explanation.text[at : span.start]))
        pieces.append(_word(span, strongest, label))
        at = span.end
    pieces.append(_safe(explanation.text[at:]))
    spoken = f' lang="{_safe(language)}"' if language else ""
    return (
        f'<figure class="bw bw-why bw-why-{label}" aria-label="Why {label}"><p{spoken}>{"".join(pieces)}</p>'
        f'<figcaption class="bw-small bw-soft">{_caption(explanation)}</figcaption></figure>'
    )


def strength(score: float, strongest: float) -> int:
    """0 (not marked) to 3, against the strongest word of the text."""
    if strongest < LEAST_SCORE:
        return 0
    return sum(abs(score) >= level * strongest for level in LEVELS)


def _word(span: Span, strongest: float, label: str) -> str:
    level = strength(span.score, strongest)
    if not level:
        return _safe(span.text)
    towards = span.score > 0
    side = "towards" if towards else "away from"
    title = f"{STRENGTHS[level - 1]} {side} {label} ({span.score:+.2f})"
    kind = f"bw-why-{level}" + ("" if towards else " bw-away")
    return f'<mark class="{kind}" title="{title}">{_safe(span.text)}</mark>'


def _caption(explanation: Explanation) -> str:
    label = explanation.sentiment.value
    strongest = max((abs(span.score) for span in explanation.tokens), default=0.0)
    marked = [span for span in explanation.tokens if strength(span.score, strongest)]
    sides = [
        (f"Towards {label}", [span for span in marked if span.score > 0]),
        (f"away from {label}", [span for span in marked if span.score < 0]),
    ]
    said = "; ".join(f"{name}: {_named(spans)}" for name, spans in sides if spans)
    said = said[:1].upper() + said[1:] if said else "No single word decides"
    unread = len(explanation.text) > explanation.tokens[-1].end + 200 if explanation.tokens else False
    more = " Only the beginning of the text was read." if unread else ""
    return f"{said}. Read as {label} with {percent(explanation.probability)}.{more}"


def _named(spans: Sequence[Span]) -> str:
    """The words that weigh most, each once, the strongest first."""
    ranked = sorted(spans, key=lambda span: -abs(span.score))
    return ", ".join(_safe(text) for text in list(dict.fromkeys(span.text for span in ranked))[:NAMED_WORDS])


def _safe(text: str) -> str:
    """Escaped, and in Unicode that can be sent: a lone surrogate cannot."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))
