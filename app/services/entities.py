"""The companies that articles name, and how the articles speak of them."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.news import Article, Classification, EntityReading
from app.domain.watchlist import NamedCompany, WatchedCompany
from app.ml.article_classifier import Towards
from app.ml.company_names import CompanyNames
from app.storage.articles import Articles
from app.storage.watchlist import Watchlist

MAX_COMPANIES = 8  # an article that names more is a list, and says little of each; the first are read
_PAGE = 200  # articles tagged anew in one step

ClassifyTowards = Callable[[Sequence[Towards]], list[Classification]]


class Entities:
    """Tags articles with the companies of the watchlist. Safe to share between threads."""

    def __init__(self, watchlist: Watchlist, articles: Articles, classify_towards: ClassifyTowards) -> None:
        self._watchlist, self._articles, self._classify_towards = watchlist, articles, classify_towards
        self._lock = threading.Lock()
        self._companies: list[WatchedCompany] = []
        self._names = CompanyNames(())

    def tag(self, articles: Sequence[Article]) -> list[Article]:
        """The articles with the companies that they name and the sentiment towards each."""
        return self._tagged(articles, self._current())

    def retag(self, company: WatchedCompany, since: datetime) -> int:
        """Tag the articles published from a moment on anew with one company; return how many name it.

        For a company that was added or renamed. It goes through the articles in pages, the newest first, and may
        be ended and begun again at any point: each page is one transaction.
        """
        names, matched, before = self._current(), 0, None
        while page := self._articles.page(since, before, _PAGE):
            before = (page[-1].published_at, page[-1].id or 0)
            tagged = self._tagged(page, names, only=company.id)
            found = {article.id: article.entities[0] for article in tagged if article.id and article.entities}
            self._articles.set_entity(company.id, [article.id for article in page if article.id], found)
            matched += len(found)
        return matched

    def _current(self) -> CompanyNames:
        """The names of the watchlist as it is now; the automaton is built anew only when the list has changed."""
        companies = self._watchlist.list()
        with self._lock:
            if companies != self._companies:
                self._companies, self._names = companies, CompanyNames(companies)
            return self._names

    def _tagged(self, articles: Sequence[Article], names: CompanyNames, only: int | None = None) -> list[Article]:
        named = [_wanted(names.find(f"{article.title}\n{article.text}"), only) for article in articles]
        asked = [
            Towards(article, company.name, company.written)
            for article, companies in zip(articles, named, strict=True)
            for company in companies
        ]
        readings = iter(self._classify_towards(asked) if asked else ())
        return [
            replace(article, entities=tuple(_reading(company, next(readings)) for company in companies))
            for article, companies in zip(articles, named, strict=True)
        ]


def _wanted(companies: Sequence[NamedCompany], only: int | None) -> list[NamedCompany]:
    return [c for c in companies[:MAX_COMPANIES] if only is None or c.company_id == only]


def _reading(company: NamedCompany, reading: Classification) -> EntityReading:
    return EntityReading(company.company_id, company.name, reading.sentiment, reading.probability)
