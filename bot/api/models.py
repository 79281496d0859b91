"""Trained models: which there are, which answers, and what stands against a new one."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from bot.access import Route, actor
from bot.errors import NotFound
from bot.http import decode, json_response
from bot.learning import promotion
from bot.learning.gate import Ruling
from bot.services import SERVICES
from bot.shadow import ShadowReport
from bot.store.records import BundleRow


class ApiCheck(msgspec.Struct, frozen=True):
    """One check: what was measured, what it may not pass, and what that means, in English."""

    name: str
    passed: bool
    figure: float | None
    bound: float | None
    reason: str


class ApiModel(msgspec.Struct, frozen=True):
    """A published bundle; ``aliases`` say whether it is live.

    ``passed`` is null for a model that was never judged; ``reason`` says why it did not pass.
    """

    version: str
    created_at: float
    aliases: tuple[str, ...]
    passed: bool | None
    reason: str
    checks: tuple[ApiCheck, ...]
    metrics: dict[str, Any]


class ApiModels(msgspec.Struct, frozen=True):
    """All bundles, and which one answers now (null: none, answers come by words)."""

    live: str | None
    items: tuple[ApiModel, ...]


class ApiPromotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``force`` promotes a model that did not pass its checks; the audit log keeps that."""

    force: bool = False


class ApiLive(msgspec.Struct, frozen=True):
    """The version that answers now."""

    live: str


class ApiShadow(msgspec.Struct, frozen=True):
    """The comparison of the model in the shadow with the live one; null while there is none."""

    report: ShadowReport | None


async def list_models(request: web.Request) -> web.Response:
    """All bundles."""
    services = request.config_dict[SERVICES]
    items = tuple(_shown(row) for row in await services.store.models.bundles())
    bundle = services.serving.bundle
    return json_response(ApiModels(bundle.version if bundle else None, items))


async def get_model(request: web.Request) -> web.Response:
    """One bundle."""
    version = request.match_info["version"]
    for row in await request.config_dict[SERVICES].store.models.bundles():
        if row.version == version:
            return json_response(_shown(row))
    raise NotFound("There is no such model version.")


async def promote(request: web.Request) -> web.Response:
    """Let a version answer."""
    services = request.config_dict[SERVICES]
    asked = await decode(request, ApiPromotion) if request.can_read_body else ApiPromotion()
    version = request.match_info["version"]
    await promotion.promote(
        services.store,
        services.serving,
        services.bus,
        version,
        actor=actor(request),
        force=asked.force,
    )
    return json_response(ApiLive(version))


async def roll_back(request: web.Request) -> web.Response:
    """Let the previous version answer again."""
    services = request.config_dict[SERVICES]
    version = await promotion.roll_back(
        services.store, services.serving, services.bus, actor=actor(request)
    )
    return json_response(ApiLive(version))


async def get_shadow(request: web.Request) -> web.Response:
    """How the model in the shadow compares."""
    return json_response(ApiShadow(await request.config_dict[SERVICES].shadow.report()))


async def put_shadow(request: web.Request) -> web.Response:
    """Let a version score live questions unseen."""
    services = request.config_dict[SERVICES]
    version = request.match_info["version"]
    await services.shadow.put(version)
    await services.store.people.audit(actor(request), "model.shadow", version)
    return json_response(ApiShadow(await services.shadow.report()))


async def end_shadow(request: web.Request) -> web.Response:
    """Let no version score along any more."""
    services = request.config_dict[SERVICES]
    await services.shadow.end()
    await services.store.people.audit(actor(request), "model.shadow", "")
    return json_response(ApiShadow(None))


def _shown(row: BundleRow) -> ApiModel:
    ruling = Ruling.of_metrics(row.metrics)
    checks = () if ruling is None else ruling.checks
    return ApiModel(
        version=row.version,
        created_at=row.created_at,
        aliases=row.aliases,
        passed=None if ruling is None else ruling.passed,
        reason="" if ruling is None else ruling.words("en"),
        checks=tuple(
            ApiCheck(check.name, check.passed, check.figure, check.bound, check.words("en"))
            for check in checks
        ),
        metrics=dict(row.metrics),
    )


_ADMIN = "token:admin"
_ONE = "/api/v1/models/{version}"
ROUTES = (
    Route("GET", "/api/v1/models", list_models, _ADMIN, "List the models.", reply=ApiModels),
    Route("POST", "/api/v1/models/rollback", roll_back, _ADMIN, "Go back to the previous model.",
          reply=ApiLive),
    Route("GET", "/api/v1/models/shadow", get_shadow, _ADMIN, "Compare the model in the shadow.",
          reply=ApiShadow),
    Route("DELETE", "/api/v1/models/shadow", end_shadow, _ADMIN, "Let no model score along.",
          reply=ApiShadow),
    Route("GET", _ONE, get_model, _ADMIN, "One model.", reply=ApiModel),
    Route("POST", f"{_ONE}/promote", promote, _ADMIN, "Let a model answer.", ApiPromotion, ApiLive),
    Route("POST", f"{_ONE}/shadow", put_shadow, _ADMIN, "Let a model score along unseen.",
          reply=ApiShadow),
)  # fmt: skip
