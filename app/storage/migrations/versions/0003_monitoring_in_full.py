"""Stories, companies on watch, the whole life of an alert, subscriptions, fenced jobs, keys."""

import re

from alembic import op
import sqlalchemy as sa


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=50), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit") as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_at"), ["at"])
        batch_op.create_index(batch_op.f("ix_audit_subject_subject_id"), ["subject", "subject_id"])

    op.create_table(
        "entities",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("sample", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entities")),
        sa.UniqueConstraint("name", name=op.f("uq_entities_name")),
    )
    op.create_table(
        "paused_jobs",
        sa.Column("job", sa.String(length=50), nullable=False),
        sa.Column("paused_by", sa.String(length=100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_paused_jobs")),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("entity", sa.String(length=200), nullable=False),
        sa.Column("max_severity", sa.String(length=16), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    with op.batch_alter_table("silences") as batch_op:
        batch_op.create_index(batch_op.f("ix_silences_ends_at"), ["ends_at"])

    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(length=1000), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("entities", sa.JSON(), nullable=False),
        sa.Column("min_severity", sa.String(length=16), nullable=False),
        sa.Column("quiet_from", sa.String(length=5), nullable=False),
        sa.Column("quiet_until", sa.String(length=5), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=8), nullable=False),
        sa.Column("escalation", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("last_digest_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint("recipient", name=op.f("uq_subscriptions_recipient")),
    )
    op.create_table(
        "used_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_used_tokens")),
    )
    op.create_table(
        "article_entities",
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("sentiment", sa.String(length=16), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_entities_article_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["entities.id"], name=op.f("fk_article_entities_entity_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", "entity_id", name=op.f("pk_article_entities")),
    )
    with op.batch_alter_table("article_entities") as batch_op:
        batch_op.create_index(batch_op.f("ix_article_entities_entity_id_article_id"), ["entity_id", "article_id"])

    op.create_table(
        "sketches",
        sa.Column("article_id", sa.Integer(), nullable=False),
        sa.Column("minhash", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("embedder", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_sketches_article_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", name=op.f("pk_sketches")),
    )
    with op.batch_alter_table("accounts") as batch_op:
        batch_op.add_column(sa.Column("disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("must_change", sa.Boolean(), server_default=sa.text("false"), nullable=False))

    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("corrected_by", sa.String(length=100), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("passages", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_corrections_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
        sa.UniqueConstraint("message_id", name=op.f("uq_corrections_message_id")),
    )
    op.create_table(
        "article_corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("article_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("corrected_by", sa.String(length=100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_corrections_article_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_corrections")),
        sa.UniqueConstraint("article_id", name=op.f("uq_article_corrections_article_id")),
    )
    with op.batch_alter_table("handoffs") as batch_op:
        batch_op.add_column(
            sa.Column("assignee", sa.String(length=100), server_default=sa.text("''"), nullable=False)
        )
        batch_op.add_column(sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("messages") as batch_op:
        batch_op.add_column(
            sa.Column("author", sa.String(length=100), server_default=sa.text("''"), nullable=False)
        )
        batch_op.add_column(
            sa.Column("feedback_reason", sa.String(length=50), server_default=sa.text("''"), nullable=False)
        )
        batch_op.add_column(
            sa.Column("feedback_comment", sa.String(length=1000), server_default=sa.text("''"), nullable=False)
        )

    with op.batch_alter_table("sessions") as batch_op:
        batch_op.add_column(sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("address", sa.String(length=64), server_default=sa.text("''"), nullable=False)
        )
        batch_op.add_column(
            sa.Column("browser", sa.String(length=200), server_default=sa.text("''"), nullable=False)
        )

    with op.batch_alter_table("alerts") as batch_op:
        batch_op.add_column(
            sa.Column("entity", sa.String(length=200), server_default=sa.text("''"), nullable=False)
        )
        batch_op.add_column(sa.Column("stories", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("decisive", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
        batch_op.add_column(sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("grown_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("notified_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_alerts_topic_detected_at"), type_="unique")
        batch_op.create_index(batch_op.f("ix_alerts_entity"), ["entity"])
        batch_op.create_unique_constraint(
            batch_op.f("uq_alerts_topic_entity_detected_at"), ["topic", "entity", "detected_at"]
        )
    # Alerts of before have been told and are over; the next detection takes up one whose burst is still on.
    op.execute(
        "UPDATE alerts SET opened_at = detected_at, notified_at = detected_at, escalated_at = detected_at, "
        "ended_at = detected_at"
    )

    with op.batch_alter_table("articles") as batch_op:
        batch_op.add_column(sa.Column("story_id", sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f("ix_articles_stored_at"), ["stored_at"])
        batch_op.drop_index(batch_op.f("ix_articles_published_at"))
        batch_op.drop_index(batch_op.f("ix_articles_topic_published_at"))
        batch_op.drop_index(batch_op.f("ix_articles_duplicate_of"))
        batch_op.create_foreign_key(
            batch_op.f("fk_articles_story_id"), "articles", ["story_id"], ["id"], ondelete="SET NULL"
        )
    _index_articles()
    _index_texts()

    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=16), server_default=sa.text("'alert'"), nullable=False)
        )
        batch_op.add_column(sa.Column("key", sa.String(length=1200), nullable=True))
        batch_op.add_column(sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column("alert_id", existing_type=sa.INTEGER(), nullable=True)
        batch_op.alter_column(
            "recipient", existing_type=sa.VARCHAR(length=320), type_=sa.String(length=1000), existing_nullable=False
        )
        batch_op.drop_constraint(batch_op.f("uq_deliveries_alert_id_recipient"), type_="unique")
    # A delivery of before was one mail to one recipient about one alert.
    op.execute("UPDATE deliveries SET key = 'alert-' || alert_id || '-' || recipient")
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.alter_column("key", existing_type=sa.String(length=1200), nullable=False)
        batch_op.create_unique_constraint(batch_op.f("uq_deliveries_key"), ["key"])

    with op.batch_alter_table("leases") as batch_op:
        batch_op.add_column(sa.Column("fence", sa.Integer(), server_default=sa.text("0"), nullable=False))

    with op.batch_alter_table("sources") as batch_op:
        batch_op.add_column(sa.Column("options", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))
        batch_op.add_column(sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("next_visit_at", sa.DateTime(timezone=True), nullable=True))


def _index_articles() -> None:
    """The indexes by which lists and counts of 100,000 articles take milliseconds."""
    timeline = ["published_at", "id", "duplicate_of", "story_id", "sentiment", "language", "topic"]
    op.create_index("ix_articles_timeline", "articles", timeline)
    for column in ("duplicate_of", "story_id"):
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            op.f(f"ix_articles_{column}"),
            "articles",
            [column],
            sqlite_where=condition,
            postgresql_where=condition,
        )
    with op.batch_alter_table("article_topics") as batch_op:
        batch_op.drop_index(batch_op.f("ix_article_topics_topic"))
        batch_op.create_index(batch_op.f("ix_article_topics_topic_article_id"), ["topic", "article_id"])


def _index_texts() -> None:
    """The table of app.storage.search, with what is stored by now. Without FTS5 searching is slower, no more."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    options = "content='', detail=none, tokenize='trigram'"
    try:
        op.execute(f"CREATE VIRTUAL TABLE article_search USING fts5(text, {options})")
    except sa.exc.OperationalError:
        return
    unspaced = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
    insert = sa.text("INSERT INTO article_search (rowid, text) VALUES (:id, :text)")
    for row in connection.execute(sa.text("SELECT id, title, text FROM articles")).fetchall():
        spaced = unspaced.sub("\\1\u200b", f"{row.title}\n{row.text}")
        connection.execute(insert, {"id": row.id, "text": spaced})


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE IF EXISTS article_search")
    op.execute("DELETE FROM deliveries WHERE kind <> 'alert'")
    op.execute("DELETE FROM alerts WHERE entity <> ''")
    with op.batch_alter_table("sources") as batch_op:
        batch_op.drop_column("next_visit_at")
        batch_op.drop_column("failures")
        batch_op.drop_column("options")

    with op.batch_alter_table("leases") as batch_op:
        batch_op.drop_column("fence")

    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_deliveries_key"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_deliveries_alert_id_recipient"), ["alert_id", "recipient"])
        batch_op.alter_column(
            "recipient", existing_type=sa.String(length=1000), type_=sa.VARCHAR(length=320), existing_nullable=False
        )
        batch_op.alter_column("alert_id", existing_type=sa.INTEGER(), nullable=False)
        batch_op.drop_column("created_at")
        batch_op.drop_column("key")
        batch_op.drop_column("kind")

    with op.batch_alter_table("articles") as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_articles_story_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_articles_timeline"))
        batch_op.drop_index(batch_op.f("ix_articles_story_id"))
        batch_op.drop_index(batch_op.f("ix_articles_duplicate_of"))
        batch_op.drop_index(batch_op.f("ix_articles_stored_at"))
        batch_op.drop_column("story_id")
        batch_op.create_index(batch_op.f("ix_articles_duplicate_of"), ["duplicate_of"])
        batch_op.create_index(batch_op.f("ix_articles_topic_published_at"), ["topic", "published_at"])
        batch_op.create_index(batch_op.f("ix_articles_published_at"), ["published_at"])
    with op.batch_alter_table("article_topics") as batch_op:
        batch_op.drop_index(batch_op.f("ix_article_topics_topic_article_id"))
        batch_op.create_index(batch_op.f("ix_article_topics_topic"), ["topic"])

    with op.batch_alter_table("alerts") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_alerts_topic_entity_detected_at"), type_="unique")
        batch_op.drop_index(batch_op.f("ix_alerts_entity"))
        batch_op.create_unique_constraint(batch_op.f("uq_alerts_topic_detected_at"), ["topic", "detected_at"])
        batch_op.drop_column("escalated_at")
        batch_op.drop_column("notified_at")
        batch_op.drop_column("ended_at")
        batch_op.drop_column("grown_at")
        batch_op.drop_column("opened_at")
        batch_op.drop_column("decisive")
        batch_op.drop_column("stories")
        batch_op.drop_column("entity")

    with op.batch_alter_table("sessions") as batch_op:
        batch_op.drop_column("browser")
        batch_op.drop_column("address")
        batch_op.drop_column("started_at")

    op.drop_table("article_corrections")
    op.drop_table("corrections")
    with op.batch_alter_table("handoffs") as batch_op:
        batch_op.drop_column("resolved_at")
        batch_op.drop_column("assignee")

    with op.batch_alter_table("messages") as batch_op:
        batch_op.drop_column("author")
        batch_op.drop_column("feedback_comment")
        batch_op.drop_column("feedback_reason")

    with op.batch_alter_table("accounts") as batch_op:
        batch_op.drop_column("must_change")
        batch_op.drop_column("disabled")

    op.drop_table("sketches")
    with op.batch_alter_table("article_entities") as batch_op:
        batch_op.drop_index(batch_op.f("ix_article_entities_entity_id_article_id"))

    op.drop_table("article_entities")
    op.drop_table("used_tokens")
    op.drop_table("subscriptions")
    with op.batch_alter_table("silences") as batch_op:
        batch_op.drop_index(batch_op.f("ix_silences_ends_at"))

    op.drop_table("silences")
    op.drop_table("paused_jobs")
    op.drop_table("entities")
    with op.batch_alter_table("audit") as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_subject_subject_id"))
        batch_op.drop_index(batch_op.f("ix_audit_at"))

    op.drop_table("audit")
    op.drop_table("api_keys")
