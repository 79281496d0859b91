"""Server-rendered pages: one environment, one look, two languages.

``setup`` prepares an application once; ``render`` answers with a page, ``fragment`` gives the text
of a part of one. Templates see ``t``, ``number``, ``percent``, ``ago``, ``charts`` and the viewer.
"""

from __future__ import annotations

from bot.ui.navigation import NavigationItem
from bot.ui.rendering import fragment, render, setup, translate, viewer_for
from bot.ui.viewer import Viewer

__all__ = ["NavigationItem", "Viewer", "fragment", "render", "setup", "translate", "viewer_for"]
