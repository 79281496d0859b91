"""The template environment of an application and the functions that fill pages.

Macros are imported without context in most templates, so what they need of the viewer comes through
a context variable that is set only while a template runs; rendering never awaits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from bot.catalogue import Catalogue
from bot.ui import charts
from bot.ui.formats import UNITS, Formats
from bot.ui.navigation import DESK, NavigationItem, current_place, visible
from bot.ui.viewer import Viewer, Who, viewer_of

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"

# What the template that runs right now is rendered for.
_SHOWN: ContextVar[_Shown] = ContextVar("shown")


class _Shown(msgspec.Struct, frozen=True):
    viewer: Viewer
    formats: Formats
    translate: Callable[..., str]
    now: float


class UI(msgspec.Struct, frozen=True):
    """Everything pages need that does not change while the server runs."""

    environment: Callable[[], jinja2.Environment]
    catalogue: Catalogue
    navigation: tuple[NavigationItem, ...]
    who: Who
    default_language: str
    clock: Callable[[], float]


_KEY: web.AppKey[UI] = web.AppKey("ui", UI)


def _nobody(request: web.Request) -> tuple[None, str]:
    del request
    return None, ""


def setup(
    app: web.Application,
    *,
    catalogue: Catalogue | None = None,
    who: Who = _nobody,
    templates: Sequence[Path] = (),
    navigation: Sequence[NavigationItem] = (),
    default_language: str = "en",
    clock: Callable[[], float] = time.time,
) -> None:
    """Prepare ``app`` for ``render``.

    Args:
        app: the application; its sub-applications share what is set here.
        catalogue: texts of the interface; the product's own by default.
        who: gives the signed-in agent (or None) and the CSRF token of a request.
        templates: further folders, searched after this package's own.
        navigation: links after the desk's, e.g. the panel's pages.
        default_language: of visitors whose browser asks for neither language.
        clock: gives the present moment.
    """
    app[_KEY] = UI(
        environment=cache(partial(_environment, (_TEMPLATES, *templates))),
        catalogue=catalogue or Catalogue.load(),
        navigation=(DESK, *navigation),
        who=who,
        default_language=default_language,
        clock=clock,
    )


def _environment(folders: Sequence[Path]) -> jinja2.Environment:
    """What draws pages; made for the first one, as a server of messages alone needs none."""
    import jinja2  # noqa: PLC0415 - a fiftieth of a start

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(_functions())
    return environment


def render(
    request: web.Request, template: str, *, status: int = 200, **context: Any
) -> web.Response:
    """A whole page for the viewer of ``request``."""
    return web.Response(
        text=fragment(request, template, status=status, **context),
        content_type="text/html",
        status=status,
    )


def fragment(request: web.Request, template: str, **context: Any) -> str:
    """The text of ``template`` for the viewer of ``request``."""
    ui = request.config_dict[_KEY]
    eyes = viewer_for(request)
    shown = _Shown(
        viewer=eyes,
        formats=Formats(eyes.language, eyes.timezone),
        translate=partial(ui.catalogue.text, lang=eyes.language),
        now=ui.clock(),
    )
    with _showing(shown):
        return (
            ui.environment()
            .get_template(template)
            .render(
                lang=eyes.language,
                theme=eyes.theme,
                agent=eyes.agent,
                nav=_navigation(ui, shown),
                csrf_token=eyes.csrf_token,
                path=eyes.path,
                version=_version(),
                ui_strings=_script_strings(ui, eyes.language, "ui.js"),
                script_strings=partial(_script_strings, ui, eyes.language),
                **context,
            )
        )


def translate(request: web.Request, key: str, **params: Any) -> str:
    """One text in the viewer's language, for answers that are not pages."""
    return request.config_dict[_KEY].catalogue.text(key, viewer_for(request).language, **params)


def viewer_for(request: web.Request) -> Viewer:
    """Who looks, and how they want to see it."""
    ui = request.config_dict[_KEY]
    return viewer_of(request, ui.who, ui.default_language)


@contextmanager
def _showing(shown: _Shown) -> Iterator[None]:
    token = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def _navigation(ui: UI, shown: _Shown) -> list[dict[str, Any]]:
    places = visible(ui.navigation, shown.viewer.agent)
    current = current_place(places, shown.viewer.path)
    return [
        {"href": place.href, "label": shown.translate(place.key), "current": place.href == current}
        for place in places
    ]


def _script_strings(ui: UI, language: str, section: str) -> str:
    """JSON of the texts of ``section`` for a data attribute, with the unit words of times."""
    texts: dict[str, Any] = dict(ui.catalogue.section(section, language))
    return json.dumps({**texts, "units": UNITS[language]}, ensure_ascii=False)


def _functions() -> dict[str, Any]:
    """Functions that every template and macro sees, in the manners of whoever looks."""

    def format_of(name: str) -> Callable[..., str]:
        def written(value: float, *args: int, **params: int) -> str:
            text: str = getattr(_SHOWN.get().formats, name)(value, *args, **params)
            return text

        return written

    def t(key: str, **params: Any) -> str:
        return _SHOWN.get().translate(key, **params)

    def dated(name: str) -> Callable[[float], Any]:
        return lambda at: getattr(_SHOWN.get().formats, name)(at, _SHOWN.get().now)

    return {
        "charts": charts,
        "viewer": lambda: _SHOWN.get().viewer,
        "now": lambda: _SHOWN.get().now,
        "t": t,
        **{
            name: format_of(name)
            for name in ("number", "percent", "size", "span", "exact", "clock", "iso")
        },
        **{name: dated(name) for name in ("ago", "date", "when", "day_distance")},
    }


@cache
def _version() -> str:
    from importlib import metadata  # noqa: PLC0415 - reads mail and archives

    try:
        return metadata.version("neurobot")
    except metadata.PackageNotFoundError:
        return "0"
