"""Tags: what is read of a page, whatever its title looks like."""

import time

import numpy as np
import pytest

from nlp.tag_vocabulary import Kind
from nlp.tags import Page, TagReader

PAGES = (
    Page(
        title="Как поменять пароль",
        headings=("Забыли пароль",),
        text="Откройте профиль. См. также «Вход по коду из письма».",
        path="вход/пароль",
    ),
    Page(
        title="Вход по коду из письма",
        text="Код приходит в письме за минуту, пароль не нужен.",
        path="вход/код",
    ),
    Page(title="Seats and invoices", text="Add a seat, then pay the invoice.", path="billing/a"),
    Page(title="Цена доставки", text="Курьер привозит заказ за два дня.", path="доставка/цена"),
)


@pytest.fixture
def reader():
    found = TagReader()
    for page in PAGES:
        found.learn(found.read(page))
    return found


def words(reader, tagged, kind=Kind.STEM):
    vocabulary = reader.vocabulary
    return [vocabulary.text(t) for t in tagged.tags.tolist() if vocabulary.kind(t) == kind]


def profile(reader, page, most=30, **how):
    return reader.profile_tags(reader.read(page, **how), most)


def test_forms_of_a_word_are_one_tag_and_yo_is_e(reader) -> None:
    first = profile(reader, Page(title="пароли"))
    second = profile(reader, Page(title="паролю"))
    assert first.tags.tolist() == second.tags.tolist() != []
    yo, e = (reader.read(Page(title=title)).counts for title in ("партнёр", "партнер"))
    assert yo == e


def test_a_mentioned_page_is_the_strongest_tag(reader) -> None:
    found = profile(reader, PAGES[0])
    assert words(reader, found, Kind.NAME) == ["Вход по коду из письма"]
    assert reader.vocabulary.kind(int(found.tags[0])) == Kind.NAME


def test_ones_own_name_is_no_mention(reader) -> None:
    page = Page(title="Цена доставки", text="Цена доставки зависит от веса.")
    assert not words(reader, profile(reader, page), Kind.NAME)


def test_at_most_so_many_tags_and_the_strongest_of_them(reader) -> None:
    few, many = profile(reader, PAGES[0], 3), profile(reader, PAGES[0])
    assert len(few.tags) == 3
    assert few.tags.tolist() == many.tags[:3].tolist()
    assert np.all(np.diff(many.weights) <= 0)


def test_words_of_too_many_pages_are_learnt_from_the_site_itself() -> None:
    reader = TagReader()
    for number in range(30):
        reader.learn(reader.read(Page(title=f"Магазин зонтов {chr(0x431 + number) * 3}")))
    found = profile(reader, Page(title="Магазин зонтов ггг"))
    assert words(reader, found) == ["ггг"]


def test_digits_and_single_letters_are_special(reader) -> None:
    assert not reader.read(Page(title="1 2026 а b 42")).counts


@pytest.mark.parametrize("title", ["", "   ", "🎉🎉 👍", "!!! — ???", "7"])
def test_a_title_that_says_nothing_has_no_tags(reader, title) -> None:
    page = Page(title=title)
    assert not len(profile(reader, page).tags)
    assert not len(reader.item_tags(reader.read(page)).tags)


def test_entities_and_mark_up_are_read_as_people_see_them(reader) -> None:
    plain = reader.read(Page(title="Цена «доставки» & пароль"))
    coded = reader.read(Page(title="<b>Цена</b> &laquo;доставки&raquo; &amp; пар&#1086;ль"))
    assert plain.counts == coded.counts


def test_a_title_of_a_megabyte_is_cut(reader) -> None:
    began = time.process_time()
    found = reader.read(Page(title="пароль " * 150_000))
    assert time.process_time() - began < 0.05
    assert sum(found.counts.values()) < 100


def test_mixed_languages_are_read_each_with_its_stems(reader) -> None:
    found = reader.read(Page(title="Пароли и invoices для seats"))
    assert found.counts.keys() >= reader.read(Page(title="пароль invoice seat")).counts.keys()


def test_identical_titles_lose_their_rarity_as_names() -> None:
    reader = TagReader()
    for number in range(40):
        reader.learn(reader.read(Page(title="О сервисе", path=f"s{number}/about")))
    reader.learn(reader.read(Page(title="Тарифы хранения", path="s1/price")))
    page = Page(title="Обзор", text="Читайте: О сервисе, Тарифы хранения.", path="s1/x")
    found = profile(reader, page)
    names = words(reader, found, Kind.NAME)
    weights = dict(zip(found.tags.tolist(), found.weights.tolist(), strict=True))
    by_name = {reader.vocabulary.text(tag): weight for tag, weight in weights.items()}
    assert names[0] == "Тарифы хранения"
    assert by_name.get("О сервисе", 0.0) < 0.05


def test_what_no_page_has_fills_no_memory(reader) -> None:
    before = len(reader.vocabulary)
    found = profile(reader, Page(title="Абракадабра пароль швабра", path="a/b/c"), known_only=True)
    assert len(reader.vocabulary) == before
    assert words(reader, found) == ["пароль"]


def test_forgetting_undoes_learning(reader) -> None:
    reading = reader.read(PAGES[3])
    tags = reader.item_tags(reading).tags
    before = reader.vocabulary.rarity(tags)
    reader.learn(reading)
    reader.forget(tags.tolist())
    assert np.array_equal(reader.vocabulary.rarity(tags), before)
    assert reader.vocabulary.pages == len(PAGES)


def test_rarity_is_one_for_one_page_and_nothing_for_all() -> None:
    reader = TagReader()
    for title in ("alpha common", "beta common", "gamma common"):
        reader.learn(reader.read(Page(title=title)))
    tags = [reader.vocabulary.find(Kind.STEM, stem) for stem in ("alpha", "common")]
    assert reader.vocabulary.rarity(np.asarray(tags)).tolist() == [1.0, 0.0]


def test_people_see_the_word_that_most_write() -> None:
    reader = TagReader()
    for title in ("пароля", "пароль", "пароль", "пароль"):
        reader.learn(reader.read(Page(title=title)))
    tag = reader.vocabulary.find(Kind.STEM, "парол")
    assert tag is not None
    assert reader.vocabulary.text(tag) == "пароль"
