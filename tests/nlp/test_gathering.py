import numpy as np
import pytest

from nlp import gathering, native
from nlp.gathering import Table


@pytest.fixture(params=["c", "numpy"])
def way(request, monkeypatch):
    """Both ways to sum: what was compiled, and what there is without a compiler."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "library", None)
    elif not gathering.compiled():
        pytest.skip("no C compiler answered when the package was installed: nlp._native lacks")
    return request.param


@pytest.mark.parametrize("size", [1, 7, 128, 300])
def test_the_sum_of_weighted_rows(size):
    rng = np.random.default_rng(size)
    table = rng.standard_normal((500, size), np.float32)
    places = rng.integers(0, 500, 200)
    weights = rng.standard_normal(200, np.float32)
    expected = weights.astype(np.float64) @ table[places]
    for given in (table, np.asfortranarray(table), table.astype(np.float64)):
        found = Table(given).weighted_sum(places, weights)
        assert found == pytest.approx(expected, abs=1e-4)
    packed = Table(table).packed()
    rows = packed.values * packed.steps[:, None].astype(np.float64)
    assert packed.values.dtype == np.int8
    assert np.abs(rows - table).max() <= packed.steps.max() / 2 + 1e-6
    assert packed.packed() is packed
    found = packed.weighted_sum(places, weights)
    assert found == pytest.approx(weights.astype(np.float64) @ rows[places], abs=1e-4)


def test_no_rows_give_zero():
    for table in (Table(np.ones((3, 4), np.float32)), Table(np.ones((3, 4), np.float32)).packed()):
        nothing = table.weighted_sum(np.empty(0, np.int64), np.empty(0, np.float32))
        assert nothing.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("place", [3, 1 << 40])
def test_a_place_outside_the_table_is_refused(place):
    for table in (Table(np.ones((3, 4), np.float32)), Table(np.ones((3, 4), np.float32)).packed()):
        with pytest.raises((IndexError, ValueError)):
            table.weighted_sum(np.asarray([place]), np.ones(1, np.float32))


def test_a_weight_for_each_row_is_needed():
    table = Table(np.ones((3, 4), np.float32))
    with pytest.raises(ValueError, match=r"fit|mismatch|shape"):
        table.weighted_sum(np.asarray([0, 1]), np.ones(1, np.float32))


def test_steps_that_are_not_of_the_rows_are_refused():
    with pytest.raises(ValueError, match="steps"):
        Table(np.ones((3, 4), np.int8), np.ones(2, np.float32))
    with pytest.raises(ValueError, match="fit"):
        Table(np.ones(3, np.float32))


@pytest.mark.parametrize(
    "text",
    ["", " a", " kod ", " aaaaaaaa ", " заказ \U0001f600 не пришёл ", " \ud800 lone ", "ab " * 500],
)
def test_a_row_of_trigrams_is_distinct_rising_and_of_unit_length(way, text):
    idf = np.random.default_rng(0).uniform(1, 9, 1000).astype(np.float32)
    raw = text.encode("utf-32-le", "surrogatepass")
    columns, weights = gathering.trigram_row(raw, idf)
    expected, counts = np.unique(gathering.trigram_columns(raw, 1000), return_counts=True)
    assert columns.tolist() == expected.tolist()
    values = (1 + np.log(counts)) * idf[expected]
    assert weights == pytest.approx(values / max(np.linalg.norm(values), 1e-9), abs=1e-6)
    assert weights.dtype == np.float32


def test_weights_of_nothing_are_no_numbers_of_chance(way):
    columns, weights = gathering.trigram_row(" kod ".encode("utf-32-le"), np.zeros(10, np.float32))
    assert len(columns) == len(weights) == 3
    assert weights.tolist() == [0, 0, 0]
