"""Groups of synonyms: read from lines, and those of the product."""

from nlp.synonyms import read_groups, synonyms
from nlp.terms import stem_ids


def test_words_of_a_group_lead_to_each_other_and_to_no_other() -> None:
    found = read_groups(["# note", "", "reset restore", "restore recover"])
    (reset,), (restore,), (recover,) = map(stem_ids, ("reset", "restored", "recover"))
    assert found == {
        reset: (restore,), recover: (restore,), restore: tuple(sorted((reset, recover))),
    }  # fmt: skip


def test_those_of_the_product_join_both_languages() -> None:
    (refund,), (back,) = stem_ids("refunds"), stem_ids("возврат")
    assert refund in synonyms()[back]
    assert back in synonyms()[refund]
