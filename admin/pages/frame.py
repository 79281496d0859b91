"""What all pages share: rendering with notices, going on after a form, the acting person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot import ui
from bot.access import AGENT
from bot.http import form
from bot.services import SERVICES, Services
from bot.ui.formats import Formats

_PARAM = "p."


def services_of(request: web.Request) -> Services:
    """The parts of the server."""
    return request.config_dict[SERVICES]


def actor(request: web.Request) -> str:
    """Who acts, for history and audit."""
    return request[AGENT].login


def formats_of(request: web.Request) -> Formats:
    """How the person who looks writes numbers and times."""
    viewer = ui.viewer_for(request)
    return Formats(viewer.language, viewer.timezone)


async def audit(
    request: web.Request, action: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Write down what the person did."""
    await services_of(request).store.people.audit(
        actor(request), action, subject, dict(detail or {})
    )


async def fields(request: web.Request) -> dict[str, str]:
    """The texts of the form, stripped; files are left out."""
    return {
        name: value.strip()
        for name, value in (await form(request)).items()
        if isinstance(value, str)
    }


def page(
    request: web.Request,
    template: str,
    section: str,
    *,
    status: int = 200,
    problem: str = "",
    undo_path: str = "/admin/knowledge/{}/restore",
    **context: Any,
) -> web.Response:
    """A page of the panel; shows the notice that an earlier form left in the address.

    ``undo_path`` is where the number that the form left as ``undo`` is taken back.
    """
    notice = request.query.get("done", "")
    params = _notice_params(request)
    number = request.query.get("undo", "")
    undo = undo_path.format(number) if number.isascii() and number.isdigit() else ""
    shown = {"notice": notice, "notice_params": params, "notice_tone": "good", "undo_action": undo}
    if not _sayable(request, notice, params):
        shown["notice"] = ""
    return ui.render(
        request, template, status=status, section=section, problem=problem, **shown, **context
    )


def go(path: str, done: str = "", *, undo: int | None = None, **params: Any) -> web.Response:
    """Answer a form: look at ``path`` next, where the notice ``done`` is shown."""
    query: dict[str, Any] = {"done": done} if done else {}
    query.update({f"{_PARAM}{name}": value for name, value in params.items()})
    if undo is not None:
        query["undo"] = undo
    glue = "&" if "?" in path else "?"
    location = f"{path}{glue}{urlencode(query)}" if query else path
    return web.Response(status=303, headers={"Location": location})


def number_in(text: str, low: int, high: int, default: int) -> int:
    """``text`` as a whole number within bounds, or the default where it is none."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        return default
    return min(high, max(low, int(text)))


def _notice_params(request: web.Request) -> dict[str, str | int]:
    """What fills the notice; ``n`` as a number, since it chooses the plural."""
    found: dict[str, str | int] = {
        name.removeprefix(_PARAM): value
        for name, value in request.query.items()
        if name.startswith(_PARAM)
    }
    if "n" in found:
        found["n"] = number_in(str(found["n"]), 0, 10**9, 0)
    return found


def _sayable(request: web.Request, notice: str, params: Mapping[str, str | int]) -> bool:
    """False for a notice that somebody made up in the address."""
    if not notice:
        return False
    try:
        ui.translate(request, f"panel.done.{notice}", **params)
    except KeyError:
        return False
    return True
