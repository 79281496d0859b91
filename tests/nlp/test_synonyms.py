"""Groups of synonyms: read from lines, and those of the product."""

from pathlib import Path

import nlp
from nlp.synonyms import join_groups, read_groups, synonyms
from nlp.terms import stem_ids


def test_words_of_a_group_lead_to_each_other_and_to_no_other() -> None:
    found = join_groups(read_groups(["# note", "", "reset restore", "restore recover", "alone"]))
    (reset,), (restore,), (recover,) = map(stem_ids, ("reset", "restored", "recover"))
    assert found == {
        reset: (restore,), recover: (restore,), restore: tuple(sorted((reset, recover))),
    }  # fmt: skip


def test_those_of_the_product_join_both_languages() -> None:
    (refund,), (back,) = stem_ids("refunds"), stem_ids("возврат")
    assert refund in synonyms()[back]
    assert back in synonyms()[refund]


def test_the_stems_that_a_start_reads_are_those_of_the_words() -> None:
    """Where not: ``python -m nlp.synonyms``."""
    words = Path(nlp.__file__).with_name("synonyms.txt").read_text(encoding="utf-8").splitlines()
    assert synonyms() == join_groups(read_groups(words))
