"""Slips, spellings and layouts, each against texts spelled out by hand."""

from __future__ import annotations

import pytest

from admin.evaluate.perturbations import (
    SCHEMES,
    perturb,
    swapped_layout,
    transliterated,
    variants,
    with_typos,
)

PANGRAM = "Съешь ещё этих мягких французских булок, да выпей же чаю"


def test_an_unknown_scheme() -> None:
    with pytest.raises(ValueError, match="klingon"):
        transliterated(["да"], "klingon")


def test_names() -> None:
    assert variants(typos=[0.05], translit=True, layout=True) == (
        "typos-0.05", "translit-icao", "translit-gost", "translit-informal", "layout",
    )  # fmt: skip
    assert variants(typos=[0], translit=False, layout=False) == ()


def test_schemes() -> None:
    assert transliterated([PANGRAM], "icao") == [
        "Sieesh eshche etikh miagkikh frantsuzskikh bulok, da vypei zhe chaiu"
    ]
    assert transliterated([PANGRAM], "gost") == [
        "S``esh` eshhyo e`tix myagkix franczuzskix bulok, da vy`pej zhe chayu"
    ]
    assert transliterated(["Щука"], "icao") == ["Shchuka"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_russian_letter_is_left_and_others_stay(scheme: str) -> None:
    spelled = transliterated([PANGRAM + " iPhone 15!"] * 20, scheme)
    assert all(text.isascii() and text.endswith(" iPhone 15!") for text in spelled)


def test_informal_spelling_differs_between_writers_not_within_a_message() -> None:
    spelled = transliterated(["хожу хожу"] * 40, "informal")
    assert len(set(spelled)) > 2
    assert all(text.split()[0] == text.split()[1] for text in spelled)
    assert spelled == transliterated(["хожу хожу"] * 40, "informal")


def test_layout() -> None:
    assert swapped_layout("Привет, как дела?") == "Ghbdtn? rfr ltkf&"
    assert swapped_layout("hello.") == "руддщю"
    assert swapped_layout(swapped_layout("объект №5")) == "объект №5"
    assert swapped_layout("вход в Windows") == "d[jl d Windows"


def test_typos() -> None:
    texts = ["the quick brown fox jumps over the lazy dog 12345"] * 200
    assert with_typos(texts, 0.0) == texts
    hit = with_typos(texts, 0.1)
    assert hit == with_typos(texts, 0.1)
    assert hit != with_typos(texts, 0.1, seed=1)
    assert all(text.endswith(" 12345") for text in hit)
    changed = sum(text != texts[0] for text in hit)
    # 35 letters: 97 % of the texts are hit
    assert 180 <= changed <= 200
    alphabet = set("".join(texts)) | set("qwertyuiopasdfghjklzxcvbnm")
    assert {char for text in hit for char in text} <= alphabet


def test_every_letter_hit_leaves_lengths_alike() -> None:
    before = "hello" * 400
    after = with_typos([before], 1.0)[0]
    # a quarter dropped, a quarter doubled
    assert abs(len(after) - len(before)) < 200


def test_perturb_by_name() -> None:
    assert perturb(["да"], "layout") == ["lf"]
    assert perturb(["да"], "translit-icao") == ["da"]
    assert perturb(["да"], "typos-0") == ["да"]
