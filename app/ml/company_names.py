"""Find the companies of a watchlist in a text: every name at once by one automaton (Aho, Corasick 1975).

The time is that of reading the text once, however long the list; the rules that decide are those of the domain.
"""

from collections import defaultdict
from collections.abc import Sequence

import ahocorasick

from app.domain.watchlist import (
    NamedCompany,
    WatchedCompany,
    WatchedName,
    fits,
    has_context,
    longest_first,
    lowered,
    plain,
)

_Known = tuple[int, WatchedName]  # of which company


class CompanyNames:
    """The names of some companies, searchable in texts. Safe to share between threads."""

    def __init__(self, companies: Sequence[WatchedCompany]) -> None:
        self._companies = {company.id: company for company in companies}
        found: dict[str, list[_Known]] = defaultdict(list)
        for company in companies:
            for name in company.all_names:
                if key := lowered(plain(name.text)):
                    found[key].append((company.id, name))
        self._automaton = ahocorasick.Automaton()
        for key, known in found.items():
            self._automaton.add_word(key, (len(key), known))
        if found:
            self._automaton.make_automaton()
        self._empty = not found

    def find(self, text: str) -> list[NamedCompany]:
        """The enabled companies that a text names, in the order of their first mention."""
        if self._empty:
            return []
        text = plain(text)
        sure: dict[int, list[tuple[int, str]]] = defaultdict(list)
        unsure: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for start, end, company_id, name in self._places(text):
            clear = not name.ambiguous or has_context(name, text, start, end)
            (sure if clear else unsure)[company_id].append((start, text[start:end]))
        # Once a text has named a company without doubt, its short name means the company, too.
        places = {company_id: sorted(found + unsure.get(company_id, [])) for company_id, found in sure.items()}
        named = sorted((found[0][0], company_id) for company_id, found in places.items())
        written = {company_id: tuple(dict.fromkeys(w for _, w in found)) for company_id, found in places.items()}
        return [
            NamedCompany(company_id, company.name, written[company_id])
            for _, company_id in named
            if (company := self._companies[company_id]).enabled
        ]

    def _places(self, text: str) -> list[tuple[int, int, int, WatchedName]]:
        """(start, end, company, name) of each name that fits and stands in no longer one."""
        found = []
        for last, (length, known) in self._automaton.iter(lowered(text)):
            start, end = last + 1 - length, last + 1
            found += [(start, end, company_id, name) for company_id, name in known if fits(name, text, start, end)]
        return [found[i] for i in longest_first([(start, end) for start, end, _, _ in found])]
