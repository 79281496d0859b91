"""Who looked at what: a profile and a memory of seen and bought items for each person.

A person is a *subject*: ``c:`` with the site's or a channel's name of the customer, or ``v:`` with
a visitor until it is known who that is. The persons seen longest ago give way to new ones.

A sight is noted in a moment; it enters the profile with many others at once, or when somebody asks
for that profile.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from bot.store.items import StoredItem
from bot.store.profiles import StoredProfile, StoredTag
from index.interests import Interests, InterestTable
from nlp.tag_vocabulary import Kind, TagVocabulary
from nlp.tags import Tagged

MOST_PEOPLE: Final = 100_000
_MOST_SEEN: Final = 200
_PLACES: Final = 5  # of a stored weight


# What somebody looked at: when, the key of an item, whether it was bought; where the key is 0, the
# page by title, h1 and address. A plain tuple: there are a thousand a second.
Sight = tuple[float, int, bool, str, str, str]


class _Person(msgspec.Struct):
    row: int
    at: float = 0.0
    seen: dict[int, float] = msgspec.field(default_factory=dict)
    bought: dict[int, float] = msgspec.field(default_factory=dict)

    def note(self, sight: Sight) -> None:
        """Remember what was seen or bought, the latest of it."""
        at, key, bought, *_ = sight
        self.at = max(self.at, at)
        if key:
            held = self.bought if bought else self.seen
            held[key] = max(at, held.pop(key, at))
            if len(held) > _MOST_SEEN:
                del held[next(iter(held))]


class Audience:
    """All persons; knows no database.

    Args:
        tags_of: tags of what was looked at, None where that is gone.
        most: persons; beyond it those seen longest ago are forgotten.

    Attributes:
        changed: subjects that differ from what is stored.
        gone: subjects that are no more.
        unsettled: number of sights that are not in their profiles yet.
        spent_s: processor time of ``settle`` so far.

    ``len``, ``latest`` and ``changed`` know what is settled.
    """

    def __init__(self, tags_of: Callable[[Sight], Tagged | None], most: int = MOST_PEOPLE) -> None:
        self.most = most
        self._tags_of = tags_of
        self._table = InterestTable()
        self._people: dict[str, _Person] = {}  # those seen last at the end
        self._sights: defaultdict[str, list[Sight]] = defaultdict(list)  # not in profiles yet
        self.unsettled = 0
        self.spent_s = 0.0
        self.changed: set[str] = set()
        self.gone: set[str] = set()

    def __len__(self) -> int:
        """Number of persons."""
        return len(self._people)

    def __contains__(self, subject: str) -> bool:
        """True for who has a profile."""
        return subject in self._people or subject in self._sights

    def latest(self, number: int) -> list[tuple[str, float]]:
        """Those seen last, newest first, with the time."""
        return [
            (subject, self._people[subject].at)
            for subject in islice(reversed(self._people), number)
        ]

    def observe(self, subject: str, sight: Sight) -> None:
        """Somebody looked at something, or bought it."""
        self._sights[subject].append(sight)
        self.unsettled += 1

    def settle(self, enough: int) -> None:
        """Take so many sights, or a person's more, into the profiles."""
        began = time.thread_time()
        left = self.unsettled - enough
        subjects, total = [], self.unsettled
        for subject, sights in self._sights.items():
            if total <= left:
                break
            subjects.append(subject)
            total -= len(sights)
        self._settle(subjects)
        self.spent_s += time.thread_time() - began

    def merge(self, into: str, subjects: Iterable[str]) -> None:
        """These were one person all along."""
        subjects = list(subjects)
        self._settle([into, *subjects])
        for subject in subjects:
            if subject == into or subject not in self._people:
                continue
            other, person = self._people[subject], self._person(into)
            at = max(other.at, person.at)
            self._table.merge(person.row, self._table.strongest(other.row, other.at), other.at)
            for mine, theirs in ((person.seen, other.seen), (person.bought, other.bought)):
                mine.update({key: max(when, mine.get(key, when)) for key, when in theirs.items()})
            person.at = at
            self.forget([subject])

    def forget(self, subjects: Iterable[str]) -> int:
        """Forget persons; gives how many there were."""
        number = 0
        for subject in subjects:
            sights = self._drop_sights(subject)
            person = self._people.pop(subject, None)
            number += person is None and bool(sights)
            if person is not None:
                self._table.drop(person.row)
                self.changed.discard(subject)
                self.gone.add(subject)
                number += 1
        return number

    def interests(self, subject: str) -> Interests | None:
        """The profile as it was last seen, strongest first; None without one.

        Since then all weights have faded alike, which changes nothing between them.
        """
        self._settle([subject])
        person = self._people.get(subject)
        if person is None:
            return None
        return self._table.strongest(person.row, person.at)

    def left_out(self, subject: str, item_of: dict[int, StoredItem], now: float) -> set[int]:
        """Keys of what the person saw or bought, but goods whose time has come again.

        ``item_of`` holds the renewable items.
        """
        self._settle([subject])
        person = self._people.get(subject)
        if person is None:
            return set()
        last = dict(person.seen)
        for key, at in person.bought.items():
            last[key] = max(at, last.get(key, at))
        return {
            key
            for key, at in last.items()
            if key not in item_of or now - at < (item_of[key].renewable_s or 0.0)
        }

    def load(self, profiles: Iterable[StoredProfile], vocabulary: TagVocabulary) -> None:
        """Take over what is stored, oldest first."""
        for one in profiles:
            person = self._person(one.subject)
            person.at = one.at
            person.seen.update(one.seen)
            person.bought.update(one.bought)
            tags = [vocabulary.number(Kind(tag.kind), tag.key) for tag in one.tags]
            stored = Interests(
                np.asarray(tags, np.int64),
                np.asarray([tag.weight for tag in one.tags], np.float32),
                np.asarray([tag.last_at for tag in one.tags]),
                np.asarray([tag.source for tag in one.tags], np.int64),
                np.asarray([tag.given for tag in one.tags], np.float32),
            )
            self._table.merge(person.row, stored, one.at)
        self.changed.clear()

    def stored(self, subjects: Collection[str], vocabulary: TagVocabulary) -> list[StoredProfile]:
        """Profiles as they are to be stored, of those that are still there."""
        self._settle(subjects)
        found = []
        for subject in subjects:
            person = self._people.get(subject)
            if person is None:
                continue
            own = self._table.strongest(person.row, person.at)
            tags = [
                StoredTag(kind, key, round(weight, _PLACES), at, source, round(given, _PLACES))
                for (kind, key), weight, at, source, given in zip(
                    vocabulary.names(own.tags), own.weights.tolist(), own.last_at.tolist(),
                    own.sources.tolist(), own.given.tolist(), strict=True,
                )
            ]  # fmt: skip
            found.append(
                StoredProfile(subject, person.at, tags, dict(person.seen), dict(person.bought))
            )
        return found

    def _settle(self, subjects: Iterable[str]) -> None:
        """Take what these persons saw into the table, all at once."""
        rows, at, sources, seen = [], [], [], []
        for subject in subjects:
            if subject not in self._sights:
                continue
            sights, person = self._drop_sights(subject), self._person(subject)
            for sight in sights:
                person.note(sight)
                tags = self._tags_of(sight)
                if tags is not None and len(tags.tags):
                    rows.append(person.row)
                    at.append(sight[0])
                    sources.append(sight[1])
                    seen.append((tags.tags, tags.weights))
        if rows:
            self._table.observe(np.array(rows), np.array(at), np.array(sources), seen)

    def _drop_sights(self, subject: str) -> list[Sight]:
        sights = self._sights.pop(subject, [])
        self.unsettled -= len(sights)
        return sights

    def _person(self, subject: str) -> _Person:
        person = self._people.pop(subject, None)
        if person is None:
            person = _Person(self._table.new())
            self.gone.discard(subject)
            if len(self._people) >= self.most:
                self.forget([next(iter(self._people))])
        self._people[subject] = person
        self.changed.add(subject)
        return person
