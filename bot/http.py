"""The edge: bytes to typed bodies, results and errors to responses, headers on all of them.

No bytes a client sends end in a 500. Who may call what is in ``bot.access``; rates and slow
clients are in ``bot.limits``.
"""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware
from multidict import istr

from bot.errors import (
    BadRequest,
    MethodNotAllowed,
    NeurobotError,
    NotFound,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    UnsupportedMedia,
)
from bot.multipart import close_files, read_multipart

_LOG = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ErrorPage = Callable[[web.Request, NeurobotError], Awaitable[web.StreamResponse]]
T = TypeVar("T")

# The id of the request being answered, for log lines and problem bodies.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
# Set by the application: draws an error for a person with a browser.
ERROR_PAGE: web.AppKey[ErrorPage] = web.AppKey("error_page")
MAX_BODY_BYTES: web.AppKey[int] = web.AppKey("max_body_bytes", int)
MAX_UPLOAD_BYTES: web.AppKey[int] = web.AppKey("max_upload_bytes", int)
SECURE: web.AppKey[bool] = web.AppKey("secure", bool)  # served under TLS, by us or by a proxy
FORM: web.RequestKey[Mapping[str, Any]] = web.RequestKey("form")

BODY_TIMEOUT_S = 10.0
UPLOAD_TIMEOUT_S = 120.0

_DAMAGED_BODY = (
    web.PayloadAccessError,
    web.RequestPayloadError,
    ClientPayloadError,
    HttpProcessingError,
    OSError,
    ValueError,
)
# Ids of requests: of this process and no other, and cheaper than random ones.
_STARTED = secrets.token_hex(6)
_NUMBER = count(1)
_PROBLEM = "application/problem+json"
_GOOD_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
# Characters that JSON can carry and a text column or a terminal cannot: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_ROW_ID = 2**63 - 1

# Of every page; the last part says who may frame it.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; manifest-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

REQUEST_ID_HEADER = istr("X-Request-Id")
_HEADERS = (
    (istr("Content-Security-Policy"), CONTENT_POLICY),
    (istr("X-Frame-Options"), "DENY"),
    (istr("X-Content-Type-Options"), "nosniff"),
    # not "no-referrer": browsers then send "Origin: null" with our own forms
    (istr("Referrer-Policy"), "same-origin"),
    (istr("Cross-Origin-Opener-Policy"), "same-origin"),
    (istr("Permissions-Policy"), "camera=(), microphone=(), geolocation=()"),
    (istr("Cache-Control"), "no-store"),
)
_SECURE_ONLY = (istr("Strict-Transport-Security"), "max-age=31536000")


def next_request_id() -> str:
    """An id for a request that came without one."""
    return f"{_STARTED}-{next(_NUMBER):x}"


def clean(text: str) -> str:
    """``text`` with NUL and lone surrogates replaced by U+FFFD, so that it can be stored."""
    return _UNSTORABLE.sub("�", text) if _UNSTORABLE.search(text) else text


async def read_body(request: web.Request, max_bytes: int | None = None) -> bytes:
    """The whole body.

    Raises:
        TooLarge: longer than ``max_bytes`` (default: the ``http.max_body_bytes`` setting).
        RequestTimeout: it did not arrive in ``BODY_TIMEOUT_S``.
        BadRequest: the connection broke or the encoding of the body is damaged.
    """
    limit = max_bytes or request.config_dict.get(MAX_BODY_BYTES, 1_048_576)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.clone(client_max_size=limit).read()
    except TimeoutError:
        raise RequestTimeout from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"The body is larger than {limit} bytes.") from None
    except _DAMAGED_BODY as error:
        raise BadRequest("The body cannot be read.") from error


async def decode(request: web.Request, kind: type[T], *, max_bytes: int | None = None) -> T:
    """The JSON body as ``kind``; NUL and lone surrogates in its texts become U+FFFD.

    Raises:
        UnsupportedMedia: the content type is not JSON.
        BadRequest: not JSON, or not of this shape; the text names the place, e.g. ``$.top_k``.
        TooLarge, RequestTimeout: as ``read_body``.
    """
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        raise UnsupportedMedia(remedy="Send Content-Type: application/json.")
    return decode_bytes(await read_body(request, max_bytes), kind)


def decode_bytes(body: bytes, kind: type[T]) -> T:
    """JSON ``body`` as ``kind``.

    Raises:
        BadRequest: not JSON, or not of this shape.
    """
    if not body.strip():
        raise BadRequest("The body is empty.", remedy="Send a JSON object.")
    try:
        body.decode("utf-8")
        if rb"\u" in body:
            return msgspec.convert(_without_unstorable(msgspec.json.decode(body)), kind)
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(clean(f"{error}.")) from error
    except RecursionError:
        raise BadRequest("The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise BadRequest(clean(f"The body is not JSON: {error}.")) from error


def _without_unstorable(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_without_unstorable(item) for item in value]
    if isinstance(value, dict):
        return {_without_unstorable(key): _without_unstorable(item) for key, item in value.items()}
    return value


async def form(request: web.Request) -> Mapping[str, Any]:
    """Form fields, read once: texts cleaned, files as ``web.FileField``; the last of a name wins.

    Files are open until the request is answered.

    Raises:
        BadRequest: not a form, or damaged.
        TooLarge: larger than uploads may be; RequestTimeout: too slow.
    """
    known: Mapping[str, Any] | None = request.get(FORM)
    if known is not None:
        return known
    multipart = request.content_type == "multipart/form-data"
    if not multipart and request.content_type != "application/x-www-form-urlencoded":
        raise UnsupportedMedia(remedy="Send a form.")
    limit = request.config_dict.get(MAX_UPLOAD_BYTES if multipart else MAX_BODY_BYTES, 1_048_576)
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT_S if multipart else BODY_TIMEOUT_S):
            # 64 KiB above the file itself: the other fields and the boundaries
            fields: Mapping[str, Any] = await (
                read_multipart(request, limit + 65_536)
                if multipart
                else request.clone(client_max_size=limit + 65_536).post()
            )
    except TimeoutError:
        raise RequestTimeout from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"The form is larger than {limit} bytes.") from None
    except (*_DAMAGED_BODY, LookupError, AssertionError) as error:
        raise BadRequest("The form cannot be read.") from error
    values = {
        clean(name): clean(item) if isinstance(item, str) else item for name, item in fields.items()
    }
    request[FORM] = values
    return values


def query(request: web.Request, kind: type[T]) -> T:
    """The query string as ``kind``; texts become numbers where the type asks for one.

    Raises:
        BadRequest: a value is unknown, of the wrong kind or out of range.
    """
    values = {clean(name): clean(value) for name, value in request.query.items()}
    try:
        return msgspec.convert(values, kind, strict=False)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise BadRequest(clean(f"Query: {error}.")) from error


def row_id(request: web.Request, name: str = "id") -> int:
    """A row number from the path.

    Raises:
        NotFound: it is not a number that a row can have.
    """
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > _MAX_ROW_ID:
        raise NotFound
    return int(text)


def json_response(
    obj: Any, status: int = 200, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """``obj`` (dataclasses, Structs, dicts...) as a JSON response."""
    return web.Response(
        body=msgspec.json.encode(obj),
        status=status,
        content_type="application/json",
        headers=headers,
    )


def problem(error: NeurobotError) -> web.Response:
    """``error`` as problem JSON with ``code``, ``remedy`` and the request id (Source: RFC 9457)."""
    body: dict[str, Any] = {
        "type": f"urn:neurobot:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": clean(error.detail),
        "remedy": clean(error.remedy) if error.remedy else None,
        "request_id": REQUEST_ID.get(),
    }
    response = web.Response(
        body=msgspec.json.encode(body), status=error.status, content_type=_PROBLEM
    )
    _retry_after(response, error)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _retry_after(response: web.StreamResponse, error: NeurobotError) -> None:
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after_s)
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "5"


def wants_html(request: web.Request) -> bool:
    """True where a person with a browser asks, not a program or a script of our own pages."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")


def request_id_middleware() -> Middleware:
    """Middleware that gives each request an id, or keeps the well-formed one it came with."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        known = given and _GOOD_REQUEST_ID.fullmatch(given)
        REQUEST_ID.set(given if known else next_request_id())
        return await handler(request)

    return middleware


def errors_middleware() -> Middleware:
    """Middleware that turns every error into problem JSON, or a page for a browser."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except NeurobotError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _LOG.warning("%s %s: %s", request.method, request.path, error.code, exc_info=error)
            return await _answer(request, error)
        except web.HTTPException as reply:
            if reply.status < HTTPStatus.BAD_REQUEST:
                raise
            return _with_headers(await _answer(request, _of_status(reply)), reply)
        except UnicodeEncodeError:
            return await _answer(
                request, BadRequest("The text holds characters that cannot be stored.")
            )
        except ConnectionResetError:
            if request.transport is not None and not request.transport.is_closing():
                raise
            # The client went away while it was written to: usual, and nobody's mistake.
            return web.Response(status=499)  # for the metrics; Source: nginx
        except Exception:  # noqa: BLE001 - the edge: logged once, answered as "internal"
            _LOG.exception("%s %s failed", request.method, request.path)
            return await _answer(request, NeurobotError())
        finally:
            close_files(request.get(FORM, {}).values())

    return middleware


async def _answer(request: web.Request, error: NeurobotError) -> web.StreamResponse:
    page = request.config_dict.get(ERROR_PAGE)
    if page is None or not wants_html(request):
        return problem(error)
    try:
        response = await page(request, error)
    except Exception:  # noqa: BLE001 - a broken page must not hide the error it shows
        _LOG.exception("The error page cannot be drawn")
        return problem(error)
    _retry_after(response, error)
    return response


def _with_headers(response: web.StreamResponse, reply: web.HTTPException) -> web.StreamResponse:
    if "Allow" in reply.headers:
        response.headers["Allow"] = reply.headers["Allow"]
    return response


def _of_status(reply: web.HTTPException) -> NeurobotError:
    """A refusal of aiohttp itself (no such route, wrong method, too large...) as one of ours."""
    for kind in (NotFound, MethodNotAllowed, TooLarge, RequestTimeout, UnsupportedMedia):
        if kind.status == reply.status:
            return kind()
    if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return BadRequest(f"{HTTPStatus(reply.status).phrase}.")
    return NeurobotError()


def constant_headers(*, secure: bool) -> list[tuple[str, str]]:
    """Headers that every response carries but its id; ``secure``: served under TLS."""
    return [*_HEADERS, *([_SECURE_ONLY] if secure else [])]


async def security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler (``on_response_prepare``): the headers that every response carries."""
    headers = response.headers
    for name, value in constant_headers(secure=request.config_dict.get(SECURE, False)):
        headers.setdefault(name, value)
    headers.setdefault(REQUEST_ID_HEADER, REQUEST_ID.get())
    headers.pop("Server", None)


def static_files(folder: Path) -> Handler:
    """Handler for a route ``/.../{path:.+}`` that serves the plain files of ``folder``.

    Browsers ask each time whether a file is still the same (a 304 costs little): modules of two
    versions must never meet after an upgrade.
    """
    root = folder.resolve()

    async def handler(request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"]
        parts = name.split("/")
        if (
            "\x00" in name
            or "\\" in name
            or any(part.startswith(".") or not part for part in parts)
        ):
            raise NotFound
        path = root.joinpath(*parts)
        try:
            if not path.is_file() or not path.resolve().is_relative_to(root):
                raise NotFound
        except (OSError, ValueError):
            raise NotFound from None
        headers = {
            "Cache-Control": "no-cache",
            # the widget's script runs in pages of other sites
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        text = kind.startswith("text/") or kind.endswith("+xml")
        headers["Content-Type"] = f"{kind}; charset=utf-8" if text else kind
        return web.FileResponse(path, headers=headers)

    return handler
