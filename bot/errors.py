"""Every error the server shows, in one tree. The HTTP edge turns them into RFC 9457 problem JSON.

The docstring of a class is its default text; ``code`` is stable and documented: clients
match on it. ``remedy`` says what to do next and is shown beside the detail.
"""

from __future__ import annotations

from typing import ClassVar


class NeurobotError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str | None = None, *, remedy: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").split("\n", 1)[0]
        self.remedy = remedy
        super().__init__(self.detail)

    def __str__(self) -> str:
        return f"{self.detail} {self.remedy}" if self.remedy else self.detail


class BadRequest(NeurobotError):
    """The request cannot be understood."""

    code, status, exit_code = "bad-request", 400, 65


class BadData(NeurobotError):
    """The file holds lines that cannot be read."""

    code, status, exit_code = "bad-data", 422, 65


class NotSignedIn(NeurobotError):
    """Sign in first."""

    code, status = "not-signed-in", 401


class Forbidden(NeurobotError):
    """You have no right to do this."""

    code, status = "forbidden", 403


class NotFound(NeurobotError):
    """There is nothing here."""

    code, status, exit_code = "not-found", 404, 1


class MethodNotAllowed(NeurobotError):
    """This address does not take that method."""

    code, status = "method-not-allowed", 405


class Conflict(NeurobotError):
    """Somebody changed this before you."""

    code, status = "conflict", 409


class InvalidTransition(Conflict):
    """The conversation is not in a state that allows this."""

    code = "invalid-transition"


class AlreadyAnswered(Conflict):
    """Somebody answered before you."""

    code = "already-answered"

    def __init__(self, message_id: int) -> None:
        super().__init__()
        self.message_id = message_id  # their answer


class TooLarge(NeurobotError):
    """This is too large."""

    code, status, exit_code = "too-large", 413, 65


class RequestTimeout(NeurobotError):
    """The request did not arrive in time."""

    code, status = "request-timeout", 408


class UnsupportedMedia(NeurobotError):
    """The body is of a kind that is not understood here."""

    code, status = "unsupported-media", 415


class TooManyRequests(NeurobotError):
    """Too many requests; try again later."""

    code, status = "too-many-requests", 429

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class StorageUnavailable(NeurobotError):
    """The message was not stored: the disk is full or cannot be written."""

    code, status, exit_code = "storage-unavailable", 503, 73


class Overloaded(StorageUnavailable):
    """Too much waits to be stored; nothing of this was. Try again in some seconds."""

    code = "overloaded"


class SettingsInvalid(NeurobotError):
    """The settings cannot be used."""

    code, exit_code = "settings-invalid", 78


class ExtraMissing(NeurobotError):
    """An optional part of the product is not installed."""

    code, exit_code = "extra-missing", 78


class AlreadyRunning(NeurobotError):
    """Another server already uses this database."""

    code, exit_code = "already-running", 75


class ArtefactDamaged(NeurobotError):
    """A model folder is missing or damaged."""

    code, status, exit_code = "artefact-damaged", 503, 65
    fault = "unfit"  # a key of ``gate.fault.*`` in the catalogue
    place = ""  # the file, or what does not fit


class NotPassed(Conflict):
    """The model did not pass its checks."""

    code = "not-passed"
