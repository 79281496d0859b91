"""What acting brings: intervals that published examples have, and how many it takes."""

import random

import pytest

from admin.scoring.lift import lift, needed
from admin.scoring.orders import held


def test_a_small_lift_on_a_small_base_takes_hundreds_of_thousands() -> None:
    assert needed(0.05, 0.03) == 336_102
    assert needed(0.05, 0.10) == 31_234
    assert needed(0.8, -0.03) < needed(0.05, 0.03)


@pytest.mark.parametrize(("base", "relative"), [(0.0, 0.1), (1.0, 0.1), (0.5, 0.0), (0.9, 0.2)])
def test_shares_that_are_none_are_refused(base, relative) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        needed(base, relative)


def test_the_interval_is_newcombes() -> None:
    """56 of 70 against 48 of 80, the first example of the paper: 0.0524 to 0.3339."""
    found = lift((56, 70), (48, 80))
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.real
    assert lift((5, 0), (1, 2)) is None


def test_the_interval_covers_the_truth() -> None:
    draw = random.Random(1)
    inside = 0
    for _ in range(400):
        arms = [(sum(draw.random() < share for _ in range(120)), 120) for share in (0.3, 0.45)]
        found = lift(*arms)
        assert found is not None
        inside += found.low <= -0.15 <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_the_hold_out_is_a_share_that_never_changes_and_differs_by_target() -> None:
    names = [f"company:{number}" for number in range(4000)]
    chosen = {name for name in names if held("churn", name, 0.1)}
    assert 320 < len(chosen) < 480
    assert chosen == {name for name in names if held("churn", name, 0.1)}
    assert chosen < {name for name in names if held("churn", name, 0.2)}
    assert not any(held("churn", name, 0.0) for name in names)
    both = chosen & {name for name in names if held("paid", name, 0.1)}
    assert len(both) < 80
