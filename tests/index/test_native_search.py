"""What is compiled gives what numpy gives, and refuses arrays that would lead it out of bounds."""

from dataclasses import dataclass

import numpy as np
import pytest

from index import native, scoring
from index.coarse import Steps
from index.packed import pack
from index.passages import PassageIndex
from index.postings import build_segment
from index.ragged import RaggedRows
from index.selection import best_rows, contains
from index.vectors import ExactIndex

pytestmark = pytest.mark.skipif(
    native.library is None, reason="no C compiler answered when the package was installed"
)


@dataclass(frozen=True)
class Text:
    stems: np.ndarray
    chars: np.ndarray
    pairs: np.ndarray


def both(monkeypatch, compute):
    """What is computed with C and without."""
    compiled = compute()
    with monkeypatch.context() as without:
        without.setattr(native, "library", None)
        return compiled, compute()


def texts(rng, count, longest):
    made = []
    for _ in range(count):
        stems = rng.zipf(1.2, rng.integers(0, longest)) % 3000
        made.append(Text(stems, rng.zipf(1.15, 5 * len(stems)) % 9000, stems[:-1] * 7919))
    return made


@pytest.fixture(scope="module")
def passages():
    """Two segments, removed passages, empty and very long ones, some without past questions."""
    rng = np.random.default_rng(3)
    index = PassageIndex()
    for count in (4500, 100):
        asked = [texts(rng, size, 6) for size in rng.integers(0, 4, count)]
        index.add(texts(rng, count - 1, 12) + texts(rng, 1, 2000), asked)
        index.score(Text(*np.zeros((3, 1), np.int64)))  # settles
    for row in (0, 17, 4550):
        index.remove(row)
    return index, texts(rng, 8, 30)


def test_a_search_is_the_same_with_and_without(monkeypatch, passages):
    index, questions = passages
    for question in questions:
        found, wanted = both(monkeypatch, lambda question=question: index.score(question))
        for name in ("stem", "char", "pair", "past", "asked", "vote", "words", "total"):
            got, right = getattr(found, name), getattr(wanted, name)
            assert got == pytest.approx(right, abs=2e-6 * max(1.0, float(right.max()))), name
        assert found.familiar == wanted.familiar
        assert found.query.idf == pytest.approx(wanted.query.idf)
        found, wanted = both(monkeypatch, lambda question=question: index.idf(question.stems))
        assert found == pytest.approx(wanted)


def test_a_close_look_is_the_same_with_and_without(monkeypatch, passages):
    index, questions = passages
    rows = np.asarray([*range(0, 4600, 90), 4499, 4550, 4599])
    others = {term: (term + 1, 2 * term, 40) for term in range(1, 900, 2)}
    for question in questions:
        scores = index.score(question)
        looks = both(
            monkeypatch,
            lambda question=question, scores=scores: (
                index.look(scores, rows, question.stems), index.look_at_openings(scores, rows),
                index.nearest(scores.asked, rows), index.replaced(scores, rows, others),
            ),
        )  # fmt: skip
        for found, wanted in zip(*looks, strict=True):
            if isinstance(found, np.ndarray):
                assert found == pytest.approx(wanted, abs=1e-6)
                continue
            for name in type(found).__slots__:
                assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-5), name


def test_the_best_rows_are_the_same_with_and_without(monkeypatch):
    rng = np.random.default_rng(4)
    for size, k in ((0, 5), (3, 5), (500, 30), (5000, 30), (5000, 900), (40, 0)):
        scores = (rng.integers(-3, 40, size) / 8).astype(np.float32)  # with many equal ones
        found, wanted = both(monkeypatch, lambda k=k, scores=scores: best_rows(scores, k).tolist())
        assert found == wanted
    held = np.unique(rng.integers(0, 1 << 32, 300, np.uint32))
    for ordered in (held, held[:0]):
        asked = np.append(held[::7], np.uint32(5))
        found, wanted = both(monkeypatch, lambda o=ordered, a=asked: contains(o, a))
        assert (
            found
            == wanted
            == [True] * (len(ordered) and len(asked) - 1)
            + [False] * (1 if len(ordered) else len(asked))
        )


def test_inner_products_are_the_same_with_and_without(monkeypatch):
    rng = np.random.default_rng(5)
    index = ExactIndex(37)
    index.add(np.arange(100), rng.standard_normal((100, 37), np.float32))
    index.add(np.asarray([500, -9]), rng.standard_normal((2, 37), np.float32))
    index.remove(np.asarray([0, 50]))
    ids, vector = np.asarray([1, 0, 99, 500, -9, 50, 7, 400]), rng.standard_normal(37, np.float32)
    found, wanted = both(monkeypatch, lambda: index.products(ids, vector))
    assert found == pytest.approx(wanted, abs=1e-5)
    assert found == pytest.approx(index.vectors(ids) @ vector, abs=1e-5)
    assert found[[1, 5, 7]].tolist() == [0, 0, 0]
    assert ExactIndex(37).products(ids, vector).tolist() == [0] * 8


LONGS, FLOATS = np.arange(4), np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("starts", "sizes", "rows"),
    [([0, 2], [2, 3], [1]), ([0, -1], [2, 2], [1]), ([0, 2], [2, -1], [1]), ([0], [2], [1]),
     ([0, 2], [2, 2], [-1]), ([0, 1 << 62], [2, 1 << 62], [1]), ([0, 2], [2], [0])],
)  # fmt: skip
def test_documents_out_of_bounds_are_refused(starts, sizes, rows):
    values = np.arange(4, dtype=np.uint32)
    where = values, *(np.asarray(part, np.int64) for part in (starts, sizes))
    asked = np.asarray(rows)
    with pytest.raises(ValueError, match=r"outside|fit"):
        native.library.gather(*where, asked, np.empty(9, np.uint32))
    found = np.empty((6, 1), np.float32)
    with pytest.raises(ValueError, match=r"outside|fit"):
        native.library.look(*where, asked, values, LONGS, np.ones(4), found, 1.0)
    with pytest.raises(ValueError, match=r"outside|fit"):
        native.library.replaced(
            *where, asked, values, LONGS, LONGS, LONGS, np.ones(4), found[0], 1.0
        )
    cuts = np.zeros((len(sizes), 2), np.int32)
    with pytest.raises(ValueError, match=r"outside|fit"):
        native.library.look_at_openings(*where, cuts, asked, values, np.ones(4), found[:3])


def test_arrays_of_another_size_or_kind_are_refused():
    with pytest.raises(ValueError, match="room"):
        native.library.gather(
            np.zeros(4, np.uint32), LONGS[:1], LONGS[3:], LONGS[:1], np.empty(1, np.uint32)
        )
    whole = np.arange(4, dtype=np.uint32), LONGS[:1], LONGS[2:3], LONGS[:1]
    for places in ((LONGS + 1, LONGS, LONGS), (LONGS, LONGS + 1, LONGS), (LONGS, LONGS, LONGS - 1)):
        with pytest.raises(ValueError, match="fit"):
            native.library.replaced(*whole, whole[0], *places, np.ones(4), FLOATS[:1].copy(), 1.0)
    with pytest.raises(ValueError, match="fit"):
        native.library.products(FLOATS, np.asarray([4]), FLOATS[:1], FLOATS[:1].copy())
    with pytest.raises(ValueError, match="fit"):
        native.library.nearest(FLOATS, np.asarray([0, 9]), np.asarray([0]), np.empty(1, np.int64))
    with pytest.raises(ValueError, match="outside"):
        scoring.vote(FLOATS, FLOATS[:1], np.asarray([0, 9]), 3)
    starts = np.zeros((5, 2), np.uint32)
    with pytest.raises(ValueError, match="count"):
        native.library.count_documents(LONGS, LONGS, starts, np.ones(3, np.int32), np.zeros(4), 2)
    with pytest.raises(ValueError, match="another size"):
        native.library.best_rows(np.zeros(3, np.uint8), np.empty(1, np.int64))
    with pytest.raises(TypeError, match="arguments"):
        native.library.best_rows(FLOATS)
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        native.library.best_rows(np.zeros((4, 2), np.float32)[:, 0], np.empty(1, np.int64))
    rows = RaggedRows(np.int32)
    rows.add([np.asarray([1, 2]), np.asarray([], np.int64)])
    assert rows.take(np.asarray([1, 0, 0]))[0].tolist() == [1, 2, 1, 2]


def test_damaged_postings_are_refused(monkeypatch):
    terms, ones = np.asarray([1, 2]), np.ones(2, np.float32)
    documents = [np.asarray([1, 2]), np.asarray([2, 2])]

    def ask(**damage):
        segment = pack(build_segment([0, 1], documents))
        for name, damaged in damage.items():
            setattr(segment, name, damaged(getattr(segment, name)))
        total = np.zeros(2, np.float32)
        scoring.ask(
            total, [segment], terms, np.ones(2, np.int64), norms=ones, once=ones / 2, living=2,
            k1=1.2,
        )  # fmt: skip
        return total

    found, wanted = both(monkeypatch, ask)
    assert found == pytest.approx(wanted)
    for name, damage in (
        ("starts", lambda s: np.where(s == 1, 99, s).astype(np.uint32)),
        ("starts", lambda s: s + np.asarray([0, 7], np.uint32)),
        ("starts", lambda s: s[:2]),
        ("df", lambda _: np.ones(1, np.int32)),
        ("postings", lambda p: p[:-1]),
    ):
        with pytest.raises(ValueError, match=r"outside|length|start"):
            ask(**{name: damage})
    # Rows of documents that are not there lead nowhere.
    assert ask(postings=lambda p: np.full(len(p), 65_000, p.dtype)).tolist() == [0, 0]


def test_products_of_steps_are_the_same_with_and_without(monkeypatch):
    rng = np.random.default_rng(6)
    vectors, vector = rng.standard_normal((50, 37), np.float32), rng.standard_normal(37, np.float32)
    starts, sizes = np.asarray([3, 40, 7]), np.asarray([5, 10, 0])
    for kind, off in ((np.int8, 0.1), (np.int16, 4e-4)):
        steps = Steps.of(vectors, kind)
        found, wanted = both(monkeypatch, lambda s=steps: s.products(starts, sizes, vector))
        assert found == pytest.approx(wanted, abs=1e-5)
        exact = np.concatenate([vectors[3:8], vectors[40:50]]) @ vector
        assert found == pytest.approx(exact, abs=off)
    with pytest.raises(ValueError, match="fit"):
        native.library.scaled_products(bytes(7), FLOATS, LONGS, FLOATS[:2], FLOATS.copy())
    with pytest.raises(ValueError, match="fit"):
        native.library.scaled_products(bytes(8), FLOATS, LONGS + 1, FLOATS[:2], FLOATS.copy())
