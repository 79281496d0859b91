"""Charts as SVG drawn on the server, each with its numbers in a table beneath.

Colours come from classes (``static/charts.css``), never from the drawing, so that both themes and
forced colours work; no style attributes, so that the strict content policy holds. Nothing here
knows what the numbers mean, nor a language: ``title``, ``names`` and ``summary`` (the words of the
fold that hides the table) come in ready for showing, ``show`` writes a number.
"""

from bot.ui.charts.curves import Bin, curve, reliability
from bot.ui.charts.drawing import Series, numbers_table, ticks
from bot.ui.charts.live import live
from bot.ui.charts.matrices import confusion, matrix, mixed_up
from bot.ui.charts.plots import bar, line, sparkline
from bot.ui.charts.stacks import stack
from bot.ui.charts.thresholds import threshold_curve

__all__ = [
    "Bin",
    "Series",
    "bar",
    "confusion",
    "curve",
    "line",
    "live",
    "matrix",
    "mixed_up",
    "numbers_table",
    "reliability",
    "sparkline",
    "stack",
    "threshold_curve",
    "ticks",
]
