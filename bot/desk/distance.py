"""How much an agent changed a suggestion before sending it."""

from __future__ import annotations


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance: insertions, deletions and substitutions that turn ``a`` into ``b``.

    One step per character of ``b`` on integers of ``len(a)`` bits, so texts of thousands of
    characters take milliseconds.

    Source: H. Hyyrö, "Explaining and extending the bit-parallel approximate string matching
    algorithm of Myers", University of Tampere, A-2001-10, figure 5.
    """
    if not a or not b:
        return len(a) + len(b)
    full = (1 << len(a)) - 1
    top = 1 << (len(a) - 1)
    places: dict[str, int] = {}
    for i, character in enumerate(a):
        places[character] = places.get(character, 0) | 1 << i
    rises, falls, distance = full, 0, len(a)
    for character in b:
        match = places.get(character, 0)
        diagonal = ((((match & rises) + rises) ^ rises) | match | falls) & full
        up = falls | (~(diagonal | rises) & full)
        down = diagonal & rises
        if up & top:
            distance += 1
        elif down & top:
            distance -= 1
        up = ((up << 1) | 1) & full
        rises = ((down << 1) | (~(diagonal | up) & full)) & full
        falls = diagonal & up
    return distance
