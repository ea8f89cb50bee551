"""Articles: what the press said, and counts of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Select, and_, delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from app.domain.errors import InvalidInput
from app.domain.news import Article, EntityReading, Story
from app.storage.article_rows import (
    ORIGINAL,
    STORY,
    NewSketch,
    article_of,
    article_row,
    batches,
    entities_of,
    entity_row,
    existing,
    leave_out_what_is_gone,
    naming,
    on_topic,
    published,
)
from app.storage.article_statistics import ArticleStatistics
from app.storage.database import affected_rows
from app.storage.tables import (
    AlertRow,
    ArticleEntityRow,
    ArticleRow,
    ArticleTopicRow,
    EntityRow,
    SketchRow,
    SourceRow,
)

_MAX_URL = 2000


class Articles(ArticleStatistics):
    """Articles by address. Whatever is counted is counted by stories: the article that began one stands for it.

    Near-duplicates are listed only where they are asked for; other retellings of a story are listed.
    """

    def known_urls(self, urls: Iterable[str]) -> set[str]:
        """Those of `urls` under which an article is stored."""
        known: set[str] = set()
        with self._database.reading() as session:
            for batch in batches(list(urls)):
                known.update(session.scalars(select(ArticleRow.url).where(ArticleRow.url.in_(batch))))
        return known

    def find_hash(self, content_hash: str) -> int | None:
        """Id of the original article with this content, or None."""
        original = func.coalesce(ArticleRow.duplicate_of, ArticleRow.id)
        query = select(original).where(ArticleRow.content_hash == content_hash).order_by(ArticleRow.id).limit(1)
        with self._database.reading() as session:
            return session.scalar(query)

    def add(
        self, article: Article, now: datetime, sample: bool = False, sketch: NewSketch | None = None
    ) -> Article | None:
        """Store an article with its classification and companies; None when its address is already there.

        Raises InvalidInput for an address that is too long. What it refers to and was removed meanwhile (source,
        original, story, company) is left out. An original's `sketch` is stored with it.
        """
        if len(article.url) > _MAX_URL:
            raise InvalidInput(f"The address of {article.title!r:.80} is longer than {_MAX_URL} characters.")
        row = article_row(article, now, sample)
        try:
            with self._database.session() as session:
                leave_out_what_is_gone(session, row)
                session.add(row)
                session.flush()
                self._database.texts.add(session, row.id, row.title, row.text)
                topics = article.classification.topics if article.classification else ()
                session.add_all(ArticleTopicRow(article_id=row.id, topic=topic) for topic in topics)
                listed = existing(session, EntityRow.id, [e.entity_id for e in article.entities])
                entities = tuple(e for e in article.entities if e.entity_id in listed)
                session.add_all(entity_row(row.id, entity) for entity in entities)
                if sketch is not None and row.duplicate_of is None:
                    session.add(SketchRow(article_id=row.id, **asdict(sketch)))
        except IntegrityError:
            if not self.known_urls([article.url]):
                raise
            return None
        return replace(
            article,
            id=row.id,
            source_id=row.source_id,
            duplicate_of=row.duplicate_of,
            story_id=row.story_id,
            entities=entities,
        )

    def recent(
        self,
        limit: int = 50,
        offset: int = 0,
        topic: str | None = None,
        sentiment: str | None = None,
        language: str | None = None,
        search: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        include_duplicates: bool = False,
        entity: str | None = None,
    ) -> list[Article]:
        """Articles that meet every condition given, newest first; `since` is inclusive, `until` is not.

        `topic` need not be an article's first one. Each word of `search` must occur in the title or the text.
        `entity` is a company's name on the watchlist.
        """
        query = select(ArticleRow).order_by(ArticleRow.published_at.desc(), ArticleRow.id.desc())
        equal = {ArticleRow.sentiment: sentiment, ArticleRow.language: language}
        query = query.where(*(column == value for column, value in equal.items() if value))
        if topic:
            query = query.where(on_topic(topic))
        if entity:
            query = query.where(naming(entity))
        words = (search or "").split()
        if (candidates := self._database.texts.candidates(words)) is not None:
            query = query.where(ArticleRow.id.in_(candidates))
        for word in words:
            query = query.where(
                or_(*(c.icontains(word, autoescape=True) for c in (ArticleRow.title, ArticleRow.text)))
            )
        query = query.where(*published(since, until))
        if not include_duplicates:
            query = query.where(ORIGINAL)
        return self._fetch(query.limit(limit).offset(offset))

    def by_ids(self, ids: Sequence[int]) -> list[Article]:
        """The articles with these ids, in the same order; those that are gone are left out."""
        found: dict[int | None, Article] = {}
        for batch in batches(ids):
            found.update((a.id, a) for a in self._fetch(select(ArticleRow).where(ArticleRow.id.in_(batch))))
        return [found[i] for i in ids if i in found]

    def page(self, since: datetime, before: tuple[datetime, int] | None, limit: int) -> list[Article]:
        """Articles published from a moment on, newest first, behind the one with this date and id."""
        row = ArticleRow
        query = select(row).where(row.published_at >= since).order_by(row.published_at.desc(), row.id.desc())
        if before is not None:
            at, article_id = before
            behind = and_(row.published_at == at, row.id < article_id)
            query = query.where(or_(row.published_at < at, behind))
        return self._fetch(query.limit(limit))

    def set_entity(self, entity_id: int, asked: Sequence[int], found: Mapping[int, EntityReading]) -> None:
        """Make those of the articles `asked` that are in `found`, and no others, name a company."""
        with self._database.session() as session:
            for batch in batches(asked):
                old = delete(ArticleEntityRow).where(ArticleEntityRow.entity_id == entity_id)
                session.execute(old.where(ArticleEntityRow.article_id.in_(batch)))
            if session.get(EntityRow, entity_id) is not None:
                session.add_all(entity_row(i, found[i]) for i in existing(session, ArticleRow.id, found))

    def stories(self, article_ids: Sequence[int]) -> list[Story]:
        """The stories that these articles belong to, with all who tell them, in the order asked, each once."""
        begun: dict[int, int] = {}
        members: dict[int, list[int]] = defaultdict(list)
        with self._database.reading() as session:
            for batch in batches(article_ids):
                found = session.execute(select(ArticleRow.id, STORY).where(ArticleRow.id.in_(batch)))
                begun.update((article_id, first) for article_id, first in found)
            firsts = list(dict.fromkeys(begun[i] for i in article_ids if i in begun))
            for batch in batches(firsts):
                belongs = or_(
                    ArticleRow.id.in_(batch), ArticleRow.story_id.in_(batch), ArticleRow.duplicate_of.in_(batch)
                )
                for first, article_id in session.execute(
                    select(STORY, ArticleRow.id).where(belongs).order_by(ArticleRow.id)
                ):
                    members[first].append(article_id)
        articles = {a.id: a for a in self.by_ids([i for first in firsts for i in members[first]])}
        told = [tuple(articles[i] for i in members[first] if i in articles) for first in firsts]
        return [
            Story(next((a for a in tellers if a.id == first), tellers[0]), tellers)
            for first, tellers in zip(firsts, told, strict=True)
            if tellers
        ]

    def count(self) -> int:
        """All articles, duplicates included."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(ArticleRow)) or 0

    def remove_sample(self) -> int:
        """Remove sample articles, sources and alerts; return how many articles went."""
        with self._database.session() as session:
            session.execute(delete(AlertRow).where(AlertRow.sample))
            self._database.texts.remove(session, select(ArticleRow.id).where(ArticleRow.sample))
            removed = affected_rows(session, delete(ArticleRow).where(ArticleRow.sample))
            session.execute(delete(SourceRow).where(SourceRow.sample))
        return removed

    def _fetch(self, query: Select[ArticleRow]) -> list[Article]:
        with self._database.reading() as session:
            rows = session.scalars(query).all()
            entities: dict[int, tuple[EntityReading, ...]] = defaultdict(tuple)
            for batch in batches([row.id for row in rows]):
                for article_id, entity_id, name, sentiment, probability in session.execute(entities_of(batch)):
                    entities[article_id] += (EntityReading(entity_id, name, sentiment, probability),)
        return [article_of(row, entities[row.id]) for row in rows]
