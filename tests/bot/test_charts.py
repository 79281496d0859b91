"""Charts that answer, what is taken for what, and how far a probability can be trusted."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from markupsafe import Markup

from bot.ui import charts


def percent(value: float) -> str:
    return f"{value:.0%}"


def threshold(value: float = 0.5, rows: list[float | None] | None = None) -> Markup:
    series = [charts.Series("<right>", rows or [0.6, 0.8, 1.0]), charts.Series("b", [1, 0.5, 0.0])]
    return charts.threshold_curve(
        "T", [0.0, 0.5, 1.0], series, value=value, field="cut", label="From", show=percent,
        target=0.95, summary="Numbers",
    )  # fmt: skip


def rows_of(drawn: Markup) -> list[list[str]]:
    """Texts of the table beneath, row by row."""
    body = drawn[drawn.index("<tbody>") : drawn.index("</tbody>")]
    return [re.findall(r">([^<>]*)</t[hd]>", row) for row in body.split("</tr>")[:-1]]


def test_a_threshold_is_a_named_slider_with_its_measures() -> None:
    drawn = threshold()
    slider = re.search(r"<input[^>]*>", drawn)
    assert slider
    for part in ('type="range"', 'name="cut"', 'min="0"', 'max="1"', 'value="0.5"'):
        assert part in slider[0]
    assert re.search(r'id="([^"]+)"', slider[0])[1] == re.search(r'<label for="([^"]+)"', drawn)[1]
    assert re.findall(r"data-value>([^<]+)<", drawn) == ["80%", "50%"]
    assert ">50%</output>" in drawn
    assert rows_of(drawn) == [["0%", "60%", "100%"], ["50%", "80%", "50%"], ["100%", "100%", "0%"]]
    assert "<summary>Numbers</summary>" in drawn
    assert "<right>" not in drawn


def test_a_threshold_tells_its_script_where_everything_stands() -> None:
    drawn = threshold(rows=[0.6, None, 1.0])
    moves = json.loads(unescape(re.search(r'data-threshold="([^"]+)"', drawn)[1]))
    assert moves["x"] == [0.0, 0.5, 1.0]
    assert moves["rows"][0]["said"] == ["60%", "—", "100%"]
    assert moves["rows"][0]["y"][1] is None
    line = re.search(r'data-line x1="([\d.]+)"', drawn)
    assert float(line[1]) == pytest.approx((moves["left"] + moves["right"]) / 2, abs=0.1)


@pytest.mark.parametrize(("value", "shown"), [(-3.0, "60%"), (9.0, "100%"), (0.6, "80%")])
def test_a_threshold_outside_is_moved_in_and_reads_the_nearest(value: float, shown: str) -> None:
    assert f"data-value>{shown}<" in threshold(value)


@pytest.mark.parametrize("thresholds", [[], [0.5], [0.5, 0.5], [0.9, 0.1]])
def test_thresholds_that_do_not_ascend_are_refused(thresholds: list[float]) -> None:
    series = [charts.Series("a", [0.0] * len(thresholds))]
    with pytest.raises(ValueError, match="ascending"):
        charts.threshold_curve("T", thresholds, series, value=0, field="f", label="l")


def test_reliability_leaves_empty_bins_out_and_shows_intervals() -> None:
    bins = [
        charts.Bin(0.1, 0.0, 0),
        charts.Bin(0.5, 0.45, 20, 0.25, 0.66),
        charts.Bin(0.9, 0.95, 80),
    ]
    drawn = charts.reliability("R", bins, names=("said", "was", "n"), show=percent, show_count=str)
    assert rows_of(drawn) == [["50%", "45% (25% – 66%)", "20"], ["90%", "95%", "80"]]
    assert drawn.count("whisker") == 1
    assert 'class="guide"' in drawn
    assert "<svg" in charts.reliability("R", [], names=("a", "b", "c"))


def test_confusion_keeps_the_labels_with_most_errors() -> None:
    labels = ["a", "b", "c", "d"]
    counts = [[9, 1, 0, 0], [4, 5, 0, 0], [0, 0, 7, 0], [0, 0, 0, 8]]
    drawn = charts.confusion("C", labels, counts, names=("true", "said"), rest="others", limit=2)
    assert rows_of(drawn) == [["a", "9", "1", ""], ["b", "4", "5", ""], ["others", "", "", "15"]]
    assert "tint-9" in drawn  # right
    assert "miss-4" in drawn  # wrong
    assert "others" not in charts.confusion("C", labels, counts, names=("t", "s"), rest="others")


def test_a_rare_error_is_still_tinted() -> None:
    drawn = charts.matrix("m", ["a", "b"], ["a", "b"], [[99, 1], [0, 9]], diagonal=True)
    assert "miss-1" in drawn


def test_mixed_up_lists_errors_alone_most_frequent_first() -> None:
    counts = [[9, 1, 0], [4, 5, 1], [0, 0, 7]]
    assert charts.mixed_up(["a", "b", "c"], counts, 2) == [("b", "a", 4), ("a", "b", 1)]


def test_live_names_where_the_next_drawing_is() -> None:
    drawn = charts.live(Markup("<b>x</b>"), "/a?b=1&c=2", every_s=0.5)
    assert 'data-live="/a?b=1&amp;c=2" data-every-ms="500"' in drawn
    assert "<b>x</b>" in drawn


def test_points_say_what_they_are() -> None:
    drawn = charts.line("L", ["Mon", "Tue"], [charts.Series("loss", [0.5, 0.25], percent)])
    assert "<title>Tue · loss: 25%</title>" in drawn
    assert rows_of(drawn) == [["Mon", "50%"], ["Tue", "25%"]]


def test_a_stack_adds_up_to_the_whole_and_names_its_steps() -> None:
    series = [charts.Series("<none>", [0.5, 1.0]), charts.Series("more", [0.5, None])]
    drawn = charts.stack("T", ["1", "2"], series, show=percent, corner="Tenth", summary="Numbers")
    bars = [
        (float(top), float(height))
        for top, height in re.findall(
            r'class="step t\d" x="[^"]+" y="([^"]+)"[^>]*height="([^"]+)"', drawn
        )
    ]
    assert bars[0][1] == pytest.approx(bars[1][1])
    assert bars[1][0] + bars[1][1] == pytest.approx(bars[0][0])
    assert bars[2][1] == pytest.approx(2 * bars[0][1])
    assert rows_of(drawn) == [["1", "50%", "50%"], ["2", "100%", ""]]
    assert "&lt;none&gt;" in drawn
    assert "<none>" not in drawn
