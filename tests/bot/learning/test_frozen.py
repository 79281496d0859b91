"""The frozen slice: stable, honest, without near duplicates in training."""

from __future__ import annotations

from dataclasses import replace

from bot.learning.dataset import CategoryRow, Dataset
from bot.learning.frozen import hold_out_frozen, is_frozen, leaked, near_duplicates, text_key
from bot.learning.poison import suspicious_sources


def test_near_duplicates_are_found_and_others_are_not():
    known = ["Где моя посылка, заказ 1234?", "как вернуть деньги"]
    texts = [
        "где моя посылка   заказ 1235",
        "КАК ВЕРНУТЬ ДЕНЬГИ!",
        "как вернуть товар",
        "",
        "заказ",
    ]
    assert near_duplicates(texts, known) == {0, 1}
    assert near_duplicates(texts, []) == set()
    assert text_key("Ещё  раз: «Ёлка»!") == text_key("еще раз елка")


def test_membership_depends_on_the_text_alone(make_desk):
    desk, honest_rows = make_desk
    rows = honest_rows()
    _, held = hold_out_frozen(desk(rows))
    _, later = hold_out_frozen(
        desk([*rows[::-1], ("совсем новый вопрос про курьера", "доставка", "")])
    )
    assert set(held.texts) == set(later.texts) - {"совсем новый вопрос про курьера"}
    assert is_frozen("где   КУРЬЕР") == is_frozen("Где курьер?")


def test_the_slice_is_about_a_tenth_and_nothing_of_it_is_left(make_desk):
    desk, honest_rows = make_desk
    data = desk(honest_rows())
    known, held = hold_out_frozen(data)
    assert 0.04 < len(held.rows) / len(honest_rows()) < 0.16
    assert len(held.rows) == len(held.questions)
    assert leaked(known, held) == []
    assert len(leaked(data, held)) >= len(held.texts)
    assert len(known.rows) < len(data.rows)
    assert [item.answer_id for item in known.items] == [item.answer_id for item in data.items]


def test_what_the_knowledge_base_says_is_not_in_the_slice(make_desk):
    desk, honest_rows = make_desk
    data = desk(honest_rows())
    _, held = hold_out_frozen(data)
    said = held.texts[0]
    items = (replace(data.items[0], questions=(said.upper(),)), *data.items[1:])
    known, smaller = hold_out_frozen(replace(data, items=items))
    assert said not in smaller.texts
    assert said in [row.text for row in known.rows]


def test_a_small_desk_needs_all_it_has():
    rows = tuple(CategoryRow(f"вопрос {n}", "общее", "ticket") for n in range(50))
    data = Dataset((), (), rows)
    known, held = hold_out_frozen(data)
    assert known == data
    assert not held


def test_honest_sources_are_not_suspicious(make_desk):
    desk, honest_rows = make_desk
    assert suspicious_sources(desk(honest_rows()), seed=0) == []
    # Nor is one whose colleague has other topics, nor a single source of everything.
    by_topic = [(text, name, f"agent:{len(name)}") for text, name, _ in honest_rows()]
    assert suspicious_sources(desk(by_topic), seed=0) == []
    alone = [(text, name, "import:all.csv") for text, name, _ in honest_rows()]
    assert suspicious_sources(desk(alone), seed=0) == []
