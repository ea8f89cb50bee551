"""One article in full: how it was read and why, who else tells its story, and correcting its sentiment."""

import gradio as gr

from app.domain.errors import InvalidInput
from app.domain.news import Article, Sentiment, Story
from app.ml.executor import Priority
from app.ml.explain import explain
from app.ui.analyst.desk import Desk
from app.ui.highlight import highlight

CORRECT = "correct-"  # begins the action of a button that names a sentiment
MOST_TOLD = 30  # of the articles of one story that are listed


def render_article(desk: Desk, article_id: int) -> str:
    """An article with its story, as HTML; an empty state when it is gone."""
    story = _story_of(desk, article_id)
    if story is None:
        return desk.views.empty("This article is gone.", "Choose another from the list.")
    article = next(a for a in story.articles if a.id == article_id)
    return desk.views.render(
        "article.html",
        article=article,
        story=story,
        others=[a for a in story.articles if a.id != article_id][:MOST_TOLD],
        correction=desk.services.article_corrections.of([article_id]).get(article_id),
        sentiments=[*Sentiment],
    )


def render_reasons(desk: Desk, article_id: int) -> str:
    """The parts of an article that decided its sentiment, with the words marked that weighed most, as HTML."""
    found = desk.services.articles.by_ids([article_id])
    if not found or found[0].classification is None:
        return ""
    article = found[0]
    parts = [
        highlight(explain(desk.services.classifier, part, priority=Priority.ANALYST), article.language)
        for part in _deciding(article)
    ]
    return desk.views.render("article_reasons.html", parts=parts)


def act_on_article(desk: Desk, request: gr.Request, action: str, article_id: int) -> None:
    """Carry out what a button of the details stands for. Raises AppError."""
    by, now, corrections = desk.account_of(request).username, desk.clock(), desk.services.article_corrections
    if action.startswith(CORRECT):
        corrections.put(article_id, action.removeprefix(CORRECT), by, now)
    elif action == "undo":
        corrections.undo(article_id, by, now)
    else:
        raise InvalidInput("That button is unknown to the server. Reload the page.")


def _story_of(desk: Desk, article_id: int) -> Story | None:
    stories = desk.services.articles.stories([article_id])
    return stories[0] if stories and any(a.id == article_id for a in stories[0].articles) else None


def _deciding(article: Article) -> list[str]:
    """What the classifier says decided; for an article of an older version, its title."""
    deciding = article.classification.deciding if article.classification else ()
    return [*deciding] or [article.title or article.text]
