"""What is compiled gives what numpy gives, and refuses arrays that would lead it out of bounds."""

import random

import numpy as np
import pytest

from nlp import gathering, native
from nlp.calibration import Isotonic
from nlp.classifier import ClassifierState, ForeignRule, TicketClassifier
from nlp.correction import Calibration, Correction, contrast
from nlp.correction import Network as CorrectionNetwork
from nlp.features import HashedTrigrams
from nlp.gathering import Table
from nlp.layout import LayoutReader, _swap
from nlp.network import Layer, Network
from nlp.ranker import DualEncoder, Tower
from nlp.sequence import SequenceNetwork, SequenceShape
from nlp.skeleton import fold, normalise
from nlp.spelling import Speller
from nlp.terms import _pairs, _read_word, stem_terms
from nlp.text import words
from nlp.translation import Translation

pytestmark = pytest.mark.skipif(
    native.library is None, reason="no C compiler answered when the package was installed"
)
WORDS = ["пароль", "account", "İstanbul", "x", "\U0001f600", "\ud800", "naïve", "a" * 70, "12345"]


def both(monkeypatch, compute):
    """What is computed with C and without."""
    compiled = compute()
    with monkeypatch.context() as without:
        without.setattr(native, "library", None)
        return compiled, compute()


def floats(rng, *shape):
    return rng.standard_normal(shape, np.float32)


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(6)


def test_words_are_hashed_the_same_with_and_without(monkeypatch):
    for word in WORDS:
        found, wanted = both(monkeypatch, lambda word=word: _read_word(word))
        for name in ("stems", "chars", "trigrams"):
            assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
            assert not getattr(found, name).flags.writeable


def test_pairs_of_stems_are_the_same_with_and_without(monkeypatch, rng):
    for ids in (rng.integers(0, 1 << 32, 30), rng.integers(0, 9, 3), np.empty(0, np.int64)):
        found, wanted = both(monkeypatch, lambda ids=ids: _pairs(ids))
        assert found.tolist() == wanted.tolist()


def test_near_words_are_the_same_with_and_without(monkeypatch):
    draw = random.Random(7)
    known = ["".join(draw.choices("abcdeя", k=draw.randint(3, 12))) for _ in range(800)]
    typed = known[::9] + ["".join(draw.choices("abcdeя", k=draw.randint(3, 12))) for _ in range(99)]
    typed += [word[:3] + word[4:] for word in known[::5]] + ["", "a" * 500]

    def corrected():
        speller = Speller.fit([known, known])
        return [speller.correct([word]) for word in typed]

    found, wanted = both(monkeypatch, corrected)
    assert found == wanted
    assert sum(one != [word] for one, word in zip(found, typed, strict=True)) > 50


def test_a_word_of_any_length_is_read_in_no_time():
    draw = random.Random(8)
    typed, known = ("".join(draw.choices("abcdefghij", k=1500)) for _ in range(2))
    assert Speller.fit([["password", known]] * 2).correct([typed, "pasword"]) == [typed, "password"]


def test_words_and_skeletons_are_the_same_with_and_without(monkeypatch):
    draw = random.Random(9)
    plain = "abchijkpqsuwxyz SCHZКШщжхяюёЁьъйЫ '`\u2019\u00ab\u2014\t\n09.,_!"
    other = plain + "\u00e9\u0308\u0130\x00\x7f\u00b2\ud800\U0001f600"
    for _ in range(3000):
        text = "".join(draw.choices(draw.choice((plain, other)), k=draw.randint(0, 30)))
        found, wanted = both(monkeypatch, lambda text=text: (fold(text), words(text)))
        assert found == wanted
    assert native.library.fold("щука ' Schule") == "wuka  wule"
    assert native.library.words("Ёж_и АБВ") == ["еж", "и", "абв"]
    assert native.library.fold("\u00e9") is native.library.words("\ud800") is None


def test_the_other_layout_is_the_same_with_and_without(monkeypatch):
    draw = random.Random(10)
    latin, russian = "qwertyuiop[]asdfghjkl;'zxcvbnm,./`&? 12", "йцукенгшщзхъфывапролджэ .,1\u00ab"
    for _ in range(3000):
        keys = draw.choice((latin, russian, latin + russian + "\u00e9"))
        normal = normalise("".join(draw.choices(keys, k=draw.randint(0, 30))))
        found, wanted = both(monkeypatch, lambda normal=normal: _swap(normal))
        assert found == wanted
    assert _swap("ghbdtn h2o") == "привет р2щ"


def test_a_network_gives_the_same_with_and_without(monkeypatch, rng):
    texts = ["zabil parol", "", "\U0001f600 \ud800", "ab " * 700]
    trigrams = HashedTrigrams.fit(texts, width=90)
    table = Table(floats(rng, 90, 5))
    square = Layer(floats(rng, 5, 5), floats(rng, 5), residual=True)
    wide = Layer(floats(rng, 5, 9), floats(rng, 9))
    for layers in ((), (wide,), (square, wide), (wide, Layer(floats(rng, 5, 9).T, floats(rng, 5)))):
        for kind in (table, table.packed()):
            network = Network(kind, floats(rng, 5), layers)
            found, wanted = both(monkeypatch, lambda network=network: network.read(texts, trigrams))
            assert found == pytest.approx(wanted, abs=1e-4)
            assert network.logits(trigrams.transform(texts)) == pytest.approx(wanted, abs=1e-4)


def test_a_network_that_does_not_fit_together_is_refused(rng):
    one, places = np.ones(1, np.float32), np.zeros(1, np.int64)
    table, none, bias, out = floats(rng, 90, 5), floats(rng, 0), floats(rng, 5), floats(rng, 5)
    good = (table, none, bias, out, 0)
    forward = native.library.forward
    forward(places, one, *good)
    for wrong in (
        (places + 90, one, *good), (places - 1, one, *good), (places, floats(rng, 2), *good),
        (places, one, table, none, bias, floats(rng, 4), 0),
        (places, one, table, floats(rng, 90), bias, out, 0),
        (places, one, *good, floats(rng, 5, 4), floats(rng, 5)),
        (places, one, table, none, bias, floats(rng, 4), 1, floats(rng, 5, 4), floats(rng, 4)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="fit"):
            forward(*wrong)
    for wrong in ((places, one, *good, bias), (places,), (places, one, *good, *[bias] * 18)):
        with pytest.raises(TypeError):
            forward(*wrong)


def test_layouts_are_judged_the_same_with_and_without(monkeypatch):
    reader = LayoutReader.fit(["забыл пароль от входа", "where is my parcel 12"] * 3)
    for text in ("", "pf,sk gfhjkm", "\u4e2d\u6587 x", "pf,sk 123 gfhjkm jn d[jlf"):
        found, wanted = both(
            monkeypatch, lambda text=text: (reader.choose(text), reader._score(text))
        )
        assert found[0] == wanted[0]
        assert found[1] == pytest.approx(wanted[1], rel=1e-5)


def test_terms_are_weighed_the_same_with_and_without(monkeypatch, rng):
    idf, ends = rng.uniform(1, 9, 300).astype(np.float32), np.asarray([100, 100, 250, 300])
    lengths = np.asarray([1.0, 2.0, 0.5, 0.7])
    for columns in (rng.integers(0, 300, 200), rng.integers(100, 240, 9), np.empty(0, np.int64)):
        found, wanted = both(
            monkeypatch,
            lambda columns=columns: gathering.weigh_blocks(columns.copy(), idf, ends, lengths),
        )
        assert found[0].tolist() == wanted[0].tolist()
        assert found[1] == pytest.approx(wanted[1], abs=1e-6)
    for outside in (np.asarray([300]), np.asarray([-1])):
        with pytest.raises(ValueError, match="fit"):
            gathering.weigh_blocks(outside, idf, ends, lengths)


def test_towers_encode_the_same_with_and_without(monkeypatch, rng):
    vocabulary = np.unique(stem_terms("забыл пароль от входа where is my parcel"))
    count = len(vocabulary)
    towers = [Tower(floats(rng, 9, 9).T, floats(rng, 9)) for _ in range(2)]
    encoder = DualEncoder(
        vocabulary, rng.uniform(1, 5, count).astype(np.float32), Table(floats(rng, count, 9)),
        question=towers[0], answer=towers[1],
    )  # fmt: skip
    asked = ["мой пароль и пароль", "nothing known", "", "where where where is is it", "забыл"]
    for encode in (encoder.encode_questions, encoder.encode_answers):
        found, wanted = both(monkeypatch, lambda encode=encode: encode(asked))
        assert found == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(ValueError, match="fit"):
        native.library.encode(
            np.arange(count), floats(rng, count), floats(rng, count, 8), floats(rng, 0),
            floats(rng, 9, 9), floats(rng, 9), floats(rng, 9),
        )  # fmt: skip


def test_answers_explain_the_same_with_and_without(monkeypatch, rng):
    entries = np.sort(rng.integers(0, 50, 600))
    table = Translation(
        np.arange(50), rng.uniform(1e-9, 0.1, 50).astype(np.float32),
        np.searchsorted(entries, np.arange(51)), rng.integers(0, 50, 600, np.int32),
        rng.uniform(0, 1, 600).astype(np.float32),
    )  # fmt: skip
    sizes = np.asarray([3, 0, 17, 1])
    answers = rng.integers(0, 50, 21, np.int32)
    for question in (np.arange(3), np.arange(0, 50), np.empty(0, np.int64)):
        found, wanted = both(
            monkeypatch, lambda question=question: table.scores(question, answers, sizes)
        )
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    for asked, said, lengths in (
        ([50], answers, sizes), ([0], answers + 40, sizes), ([0], answers, sizes - 1),
        ([0], answers[:5], sizes),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="fit"):
            table.scores(np.asarray(asked), said, lengths)
    damaged = Translation(
        table.vocabulary, table.background, table.starts, table.sources + 50, table.probabilities
    )
    with pytest.raises(ValueError, match="fit"):
        damaged.scores(np.arange(3), answers, sizes)


def test_candidates_are_compared_and_rated_the_same_with_and_without(monkeypatch, rng):
    network = CorrectionNetwork(
        floats(rng, 6), np.abs(floats(rng, 6)), floats(rng, 6), floats(rng, 4, 6).T,
        floats(rng, 4), floats(rng, 4),
    )  # fmt: skip
    correction = Correction(tuple("abcdef"), network, Calibration(1.3, 0.2, 0.4), "mlp")
    for scores in (floats(rng, 5, 3), floats(rng, 1, 3), np.zeros((4, 3), np.float32)):
        features, wanted = both(
            monkeypatch, lambda scores=scores: contrast(scores, [0.0, 0.5, 9.0])
        )
        assert features == pytest.approx(wanted, abs=1e-6)
        wider = np.full((len(scores), 8), 7, np.float32)
        assert (contrast(scores, [0.0, 0.5, 9.0], out=wider)[:, 6:] == 7).all()
        for sizes in ([len(scores)], [0, len(scores) - 1, 0, 1]):
            rated = both(monkeypatch, lambda f=features, s=sizes: correction.predict_proba(f, s))
            assert rated[0] == pytest.approx(rated[1], abs=1e-6)
    with pytest.raises(ValueError, match="shape"):
        correction.predict_proba(floats(rng, 3, 6), [4])


@pytest.mark.parametrize("widths", [(1,), (1, 2, 3), (4, 2)])
def test_one_text_is_read_the_same_with_and_without(monkeypatch, rng, widths):
    shape = SequenceShape(
        "cnn", buckets=97, dimension=5, char_dimension=3, char_width=5, char_filters=4,
        widths=widths, units=6, most_words=12,
    )  # fmt: skip
    arrays = {name: floats(rng, *size) for name, size in shape.arrays(7).items()}
    for text in ("", "zakaz", "gde moi zakaz 12", "\u4e2d\u6587 slovo " * 20):
        found, wanted = both(
            monkeypatch, lambda text=text: SequenceNetwork(shape, arrays).logits([text])
        )
        assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("isotonic", [None, Isotonic(*np.float32([[0.2, 0.9], [0.3, 0.6]]))])
def test_a_message_is_judged_the_same_with_and_without(monkeypatch, rng, isotonic, count):
    texts = ["забыл пароль", "", "где моя посылка"]
    layer = Layer(floats(rng, 5, 4), floats(rng, 4))
    members = (
        Network(Table(floats(rng, 90, 4)), floats(rng, 4)),
        Network(Table(floats(rng, 90, 5)), floats(rng, 5), (layer,)),
    )
    rule = ForeignRule(floats(rng, count + 1), np.abs(floats(rng, count + 1)) + 1, 0.0)
    model = TicketClassifier(
        ClassifierState(
            "seed",
            ("a", "b", "c"),
            LayoutReader.fit(texts),
            HashedTrigrams.fit(texts, width=90),
            members[-count:],
            (1.3, 0.7)[-count:],
            rule,
            isotonic,
        )
    )
    for text in texts:
        found, wanted = both(monkeypatch, lambda text=text: model.classify([text])[0])
        assert found.proba == pytest.approx(wanted.proba, abs=1e-6)
        assert found.proba.dtype == np.float32
        assert found.foreign_score == pytest.approx(wanted.foreign_score, rel=1e-4, abs=1e-4)
        assert (found.foreign, found.text) == (wanted.foreign, wanted.text)


def test_arrays_that_do_not_fit_are_refused(rng):
    library, some = native.library, floats(rng, 8)
    word, one = "ab".encode("utf-32-le"), np.asarray([1])
    for call in (
        lambda: library.hash_grams("  " .encode("utf-32-le") * 9, np.empty(1, np.int64)),
        lambda: library.near_words(
            word, np.zeros(1, np.int64), np.asarray([5]), np.zeros(2, np.uint32),
            np.asarray([0, 9]), np.empty(9, np.int64), 1,
        ),
        lambda: library.score_layout(b"abc", some),
        lambda: library.judge(np.ones(3), some[:4], some[:4], some.copy(), some),
        lambda: library.classify(
            np.ones(1), some[:2], some[:2], some[:4].copy(), word, some, some, some[:0], some[:1],
            some[:1].copy(), 0,
        ),
        lambda: library.rate(*[some] * 7, np.asarray([1]), some.copy(), 1.0, 0.0, 0.0),
        lambda: library.contrast(some, some[:2], some.copy()),
        lambda: library.read_sequence(one * 3, some[:2], some, some[:2], some.copy(), 1, [some]),
        lambda: library.read_sequence(one, some[:2], some, some[:2], some.copy(), 1, []),
        lambda: library.read_word(word, some, some, some, some[:2], some, some.copy(), 4, 2, 64),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"fit|room|likelihood|words"):
            call()
