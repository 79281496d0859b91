import numpy as np
import pytest

from nlp import gathering, native


@pytest.fixture(params=["c", "numpy"])
def way(request, monkeypatch):
    """Both ways to sum: what was compiled, and what there is without a compiler."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "library", None)
    elif not gathering.compiled():
        pytest.skip("no C compiler answered when the package was installed: nlp._native lacks")
    return request.param


@pytest.mark.parametrize("size", [1, 7, 128, 300])
def test_the_sum_of_weighted_rows(way, size):
    rng = np.random.default_rng(size)
    table = rng.standard_normal((500, size), np.float32)
    places = rng.integers(0, 500, 200)
    weights = rng.standard_normal(200, np.float32)
    expected = weights.astype(np.float64) @ table[places]
    for given in (table, np.asfortranarray(table), table.astype(np.float64)):
        assert gathering.weighted_sum(given, places, weights) == pytest.approx(expected, abs=1e-4)


def test_no_rows_give_zero(way):
    table = np.ones((3, 4), np.float32)
    nothing = gathering.weighted_sum(table, np.empty(0, np.int64), np.empty(0, np.float32))
    assert nothing.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("place", [3, 1 << 40])
def test_a_place_outside_the_table_is_refused(way, place):
    table = np.ones((3, 4), np.float32)
    with pytest.raises((IndexError, ValueError)):
        gathering.weighted_sum(table, np.asarray([place]), np.ones(1, np.float32))


def test_a_weight_for_each_row_is_needed(way):
    table = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match=r"fit|mismatch|shape"):
        gathering.weighted_sum(table, np.asarray([0, 1]), np.ones(1, np.float32))


@pytest.mark.parametrize(
    "text",
    ["", " a", " kod ", " aaaaaaaa ", " заказ \U0001f600 не пришёл ", " \ud800 lone ", "ab " * 500],
)
def test_a_row_of_trigrams_is_distinct_rising_and_of_unit_length(way, text):
    idf = np.random.default_rng(0).uniform(1, 9, 1000).astype(np.float32)
    columns, weights = gathering.trigram_row(text, idf)
    raw = text.encode("utf-32-le", "surrogatepass")
    expected, counts = np.unique(gathering.trigram_columns(raw, 1000), return_counts=True)
    assert columns.tolist() == expected.tolist()
    values = (1 + np.log(counts)) * idf[expected]
    assert weights == pytest.approx(values / max(np.linalg.norm(values), 1e-9), abs=1e-6)
    assert weights.dtype == np.float32


def test_weights_of_nothing_are_no_numbers_of_chance(way):
    columns, weights = gathering.trigram_row(" kod ", np.zeros(10, np.float32))
    assert len(columns) == len(weights) == 3
    assert weights.tolist() == [0, 0, 0]
