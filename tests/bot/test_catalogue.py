"""Texts by key and language, with Russian plurals."""

import tomllib

import pytest

from bot.catalogue import Catalogue, plural_form


def write(folder, text):
    (folder / "x.toml").write_text(text, encoding="utf-8")
    return Catalogue.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        '["a"]\nru = "x"',
        '["a"]\nru = ["#", "#"]\nen = ["#", "#"]',
        '["a"]\nru = "{name}"\nen = "x"',
        '["a"]\nru = "{name"\nen = "x"',
        '["a"]\nru = "x"\nen = "x"\nde = "x"',
    ],
)
def test_a_text_that_cannot_be_shown_is_refused_at_the_start(tmp_path, text):
    with pytest.raises(ValueError, match=r"x\.toml: 'a'"):
        write(tmp_path, text)


def test_a_key_written_in_two_files_is_refused(tmp_path):
    (tmp_path / "w.toml").write_text('["a"]\nru = "x"\nen = "x"', encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        write(tmp_path, '["a"]\nru = "x"\nen = "x"')


@pytest.mark.parametrize(
    "text",
    [
        '# note\n\n["a"]\nru = "\\u0401 \\"x\\" \\\\n"\nen = "b\\tc"',
        '["a"]\nru = ["#", "#", "#"]\nen = ["#", "#",]\n',  # a comma that JSON has not
        "[a]\nru = 'x' # note\nen = 'y'",
        '["a"]\nru = """\nlong\ntext"""\nen = "y"',
    ],
)
def test_texts_are_read_as_toml(tmp_path, text):
    forms = {
        language: tuple(value) if isinstance(value, list) else value
        for language, value in tomllib.loads(text)["a"].items()
    }
    read = write(tmp_path, text)
    for language, wanted in forms.items():
        shown = read.text("a", language, n=1)
        assert shown == ("1" if isinstance(wanted, tuple) else wanted)


def test_unknown_keys_languages_and_missing_parameters_raise(tmp_path):
    texts = write(
        tmp_path,
        '["a"]\nru = "{x}"\nen = "{x}"\n["n"]\nru = ["#", "#", "#"]\nen = ["#", "#"]',
    )
    for key, lang in (("b", "ru"), ("a", "de"), ("a", "ru"), ("n", "en")):
        with pytest.raises(KeyError):
            texts.text(key, lang)


@pytest.mark.parametrize(
    ("n", "form"),
    [(0, 2), (1, 0), (2, 1), (4, 1), (5, 2), (11, 2), (12, 2), (14, 2), (21, 0), (22, 1),
     (25, 2), (101, 0), (111, 2), (112, 2), (1.5, 1)],
)  # fmt: skip
def test_russian_plural_forms(n, form):
    assert plural_form("ru", n) == form


@pytest.mark.parametrize(("n", "form"), [(0, 1), (1, 0), (2, 1), (21, 1), (1.5, 1)])
def test_english_plural_forms(n, form):
    assert plural_form("en", n) == form


def test_numbers_and_parameters_are_filled_in(tmp_path):
    texts = write(
        tmp_path,
        '["n"]\nru = ["# ответ {who}", "# ответа {who}", "# ответов {who}"]\n'
        'en = ["# answer {who}", "# answers {who}"]',
    )
    assert texts.text("n", "ru", n=22, who="Оли") == "22 ответа Оли"
    assert texts.text("n", "ru", n=12_000, who="Оли") == "12\u00a0000 ответов Оли"
    assert texts.text("n", "en", n=1, who="of Olga") == "1 answer of Olga"


def test_values_are_never_read_as_patterns(tmp_path):
    texts = write(tmp_path, '["a"]\nru = "{x}"\nen = "{x}"')
    assert texts.text("a", "en", x="{0} {secret}") == "{0} {secret}"


def test_the_products_own_texts_are_complete():
    texts = Catalogue.load()
    assert "system.person-soon" in texts
    assert texts is Catalogue.load()


def test_a_section_gives_plain_texts_without_their_prefix():
    section = Catalogue.load().section("system", "en")
    assert section["talk-to-person"] == "Talk to a person"
