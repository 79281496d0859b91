"""The agent's desk: pages, fragments and actions, each route for signed-in agents alone."""

from __future__ import annotations

from functools import partial

from bot.access import Route
from bot.desk import actions, events, files, finding, pages, preferences, replying
from bot.desk.presence import Presence

__all__ = ["routes"]


def routes() -> list[Route]:
    """Every route of the desk."""
    presence = Presence()
    talk = "/desk/conversations/{public_id}"
    return [
        Route("GET", "/desk", partial(pages.desk, presence), "agent"),
        Route("GET", "/desk/queue", pages.queue, "agent"),
        Route("GET", talk, partial(pages.conversation, presence), "agent"),
        Route("GET", "/desk/events", events.stream, "agent"),
        Route("POST", f"{talk}/reply", replying.reply, "agent"),
        Route("POST", f"{talk}/undo", replying.undo, "agent"),
        Route("POST", f"{talk}/note", replying.note, "agent"),
        Route("POST", f"{talk}/reject", replying.reject, "agent"),
        Route("POST", f"{talk}/draft", replying.draft, "agent"),
        Route("POST", f"{talk}/action", actions.act, "agent"),
        Route("POST", f"{talk}/presence", partial(actions.tell_presence, presence), "agent"),
        Route("POST", "/desk/messages/{id}/resend", actions.resend, "agent"),
        Route("POST", "/desk/messages/{id}/arrived", actions.arrived, "agent"),
        Route("POST", "/desk/files", files.upload, "agent"),
        Route("GET", "/desk/files/{id}", files.download, "agent"),
        Route("GET", "/desk/articles", finding.find, "agent"),
        Route("GET", "/desk/canned", preferences.canned, "agent"),
        Route("POST", "/desk/canned", preferences.save_canned, "agent"),
        Route("POST", "/desk/preferences", preferences.save, "agent"),
    ]
