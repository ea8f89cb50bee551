"""Several topics to an article, and what decided its sentiment."""

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HOLDS = 0.3
BATCH = 1000


def upgrade() -> None:
    op.add_column("articles", sa.Column("deciding", sa.String(), nullable=False, server_default=sa.text("''")))
    op.create_table(
        "article_topics",
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_topics_article_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", "topic", name=op.f("pk_article_topics")),
    )
    op.create_index(op.f("ix_article_topics_topic"), "article_topics", ["topic"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Give the articles that are there their topics: the most likely one, and those that hold beside it."""
    articles = sa.table(
        "articles", sa.column("id", sa.Integer()), sa.column("topic", sa.String()),
        sa.column("topic_scores", sa.JSON()),
    )  # fmt: skip
    topics = sa.table("article_topics", sa.column("article_id", sa.Integer()), sa.column("topic", sa.String()))
    last = 0
    while True:
        query = sa.select(articles).where(articles.c.id > last, articles.c.topic != "").order_by(articles.c.id)
        found = connection.execute(query.limit(BATCH)).all()
        if not found:
            return
        rows = [
            {"article_id": article_id, "topic": held}
            for article_id, topic, scores in found
            for held in {topic} | {key for key, score in (scores or {}).items() if score >= HOLDS}
        ]
        connection.execute(topics.insert(), rows)
        last = found[-1].id


def downgrade() -> None:
    op.drop_table("article_topics")
    op.drop_column("articles", "deciding")
