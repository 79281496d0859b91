"""Reading of texts typed in the wrong keyboard layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.layout import LayoutReader

RUSSIAN = [
    "привет, не приходит код подтверждения на телефон",
    "как вернуть деньги за отменённый заказ",
    "где посмотреть статус доставки посылки",
    "не могу войти в личный кабинет, пишет неверный пароль",
    "курьер привёз не тот товар, что делать",
    "можно ли изменить адрес доставки после оплаты",
    "сколько стоит доставка в другой город",
    "почему списали деньги два раза",
    "приложение не открывается после обновления",
    "как удалить аккаунт и все данные",
]
ENGLISH = [
    "hello, my parcel has not arrived yet",
    "how do I get a refund for a cancelled order",
    "I cannot sign in, it says wrong password",
    "the courier brought the wrong item",
    "how do I change the delivery address",
    "why was I charged twice for this order",
]


@pytest.fixture(scope="module")
def russian() -> LayoutReader:
    return LayoutReader.fit(RUSSIAN)


@pytest.fixture(scope="module")
def both() -> LayoutReader:
    return LayoutReader.fit(RUSSIAN + ENGLISH)


@pytest.mark.parametrize("text", ["sms", "pdf", "windows 10", "error 404", "", "??", "1234567"])
def test_short_words_names_and_codes_stay_as_typed(
    russian: LayoutReader, both: LayoutReader, text: str
) -> None:
    assert russian.read(text) == text
    assert both.read(text) == text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ghbdtn", "привет"),
        ("rfr dthyenm ltymub", "как вернуть деньги"),
        ("Yt ghb[jlbn rjl", "не приходит код"),
    ],
)
def test_latin_keys_are_read_as_russian(russian: LayoutReader, typed: str, meant: str) -> None:
    assert russian.read(typed) == meant
    assert russian.fold(typed) == russian.fold(meant)


def test_cyrillic_keys_are_read_as_english(both: LayoutReader) -> None:
    assert both.read("ьн зфксуд рфы тще фккшмув") == "my parcel has not arrived"


def test_clean_texts_are_never_changed(both: LayoutReader) -> None:
    for text in RUSSIAN + ENGLISH:
        assert both.read(text) == text


def test_english_is_left_alone_where_only_russian_was_seen(russian: LayoutReader) -> None:
    for text in ENGLISH:
        assert russian.read(text) == text


def test_reader_without_texts_changes_nothing() -> None:
    assert LayoutReader.fit([]).read("ghbdtn") == "ghbdtn"


@given(st.text(max_size=120))
@settings(max_examples=150)
def test_any_text_can_be_read(text: str) -> None:
    reader = LayoutReader.fit(RUSSIAN[:3])
    assert isinstance(reader.read(text), str)
    assert isinstance(reader.fold(text), str)


def test_arrays_restore_the_reader(russian: LayoutReader) -> None:
    restored = LayoutReader.from_arrays(russian.to_arrays())
    assert restored.read("ghbdtn") == "привет"


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        LayoutReader.from_arrays({})
    arrays = LayoutReader.fit([]).to_arrays() | {"layout_limits": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match="shape"):
        LayoutReader.from_arrays(arrays)


def test_names_typed_after_a_change_of_the_layout_stay() -> None:
    texts = ["как скачать приложение rutube на телевизор", "приложение rutube не работает",
             "видео на rutube не загружается", "как войти в приложение на телевизоре"]  # fmt: skip
    reader = LayoutReader.fit(texts * 5)
    typed = "ghbkj;tybt rutube yf ntktdbpjht yt pfuhe;ftncz"
    assert reader.read(typed) == "приложение rutube на телевизоре не загружается"
