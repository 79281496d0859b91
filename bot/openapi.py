"""The OpenAPI 3.1 document, made from the route table and the types that the handlers use.

Knows routes by their attributes alone; rights are turned into security requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_PLACEHOLDER = re.compile(r"{(\w+)(?::[^{}]*)?}")


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457). ``code`` is stable; ``remedy`` says what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str | None
    request_id: str


class Operation(Protocol):
    """A route as the document needs it."""

    @property
    def method(self) -> str:
        """Method, in capitals."""

    @property
    def path(self) -> str:
        """Path with ``{placeholders}``."""

    @property
    def right(self) -> str:
        """Who may call it."""

    @property
    def summary(self) -> str:
        """One line; empty: not shown."""

    @property
    def body(self) -> Any:
        """Type of the JSON body, or None."""

    @property
    def reply(self) -> Any:
        """Type of the JSON answer, or of a line of it, or None."""

    @property
    def media_type(self) -> str:
        """Of the answer."""

    @property
    def query(self) -> Any:
        """Type of the query string, or None."""

    @property
    def status(self) -> int:
        """Of a good answer."""

    @property
    def again(self) -> int:
        """Of a good answer to a request that was answered before; 0: the same."""


def document(routes: Iterable[Operation], *, version: str, server: str = "") -> dict[str, Any]:
    """The document of all routes that have a summary."""
    shown = [route for route in routes if route.summary]
    types = [Problem]
    for route in shown:
        types += [kind for kind in (route.body, route.reply) if kind is not None]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        path = _PLACEHOLDER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schema_of)
    result: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Neurobot", "version": version, "license": {"name": "MIT"}},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    if server:
        result["servers"] = [{"url": server}]
    return result


def _operation(route: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, schema_of),
    }
    if route.body is not None:
        schema = schema_of[id(route.body)]
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    if route.right not in {"public", "visitor"}:
        operation["security"] = [{"token": []}]
        operation["x-right"] = route.right
    return operation


def _operation_id(route: Operation) -> str:
    words = re.findall(r"\w+", _PLACEHOLDER.sub(r"\1", route.path))
    return "_".join([route.method.lower(), *words])


def _path_parameters(route: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(route.path)
    ]


def _query_parameters(route: Operation) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = msgspec.json.schema(route.query)
    name = schema["$ref"].rsplit("/", 1)[-1]
    shape = schema["$defs"][name]
    required = set(shape.get("required", ()))
    return [
        {"name": key, "in": "query", "required": key in required, "schema": value}
        for key, value in shape["properties"].items()
    ]


def _responses(route: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if route.reply is not None:
        good["content"] = {route.media_type: {"schema": schema_of[id(route.reply)]}}
    responses = {str(route.status): good}
    if route.again:
        responses[str(route.again)] = {**good, "description": "It was done before."}
    expected = [("400", "The request cannot be understood.")]
    if route.right not in {"public", "visitor"}:
        expected += [("401", "Sign in first."), ("403", "No right to do this.")]
    elif route.right == "visitor":
        expected += [("401", "The token is missing."), ("403", "This site may not ask.")]
    if "{" in route.path or route.method != "GET" or route.query is not None:
        expected.append(("404", "There is nothing here."))
    if route.method != "GET":
        expected += [("409", "Changed by somebody else."), ("413", "Too large.")]
    if route.body is not None:
        expected += [("408", "Too slow."), ("415", "Not JSON.")]
    expected += [("429", "Too many requests."), ("503", "Try again later.")]
    for status, text in expected:
        responses[status] = {
            "description": text,
            "content": {"application/problem+json": {"schema": _PROBLEM_REF}},
        }
    return responses
