"""Requests that schemathesis draws from the API's own description, fitting and not.

Beside the spoilt bodies of ``test_hostile_bodies`` these are drawn by somebody else's reading of
the description: what it allows and forbids. An answer has to be of a status, a type and a shape
that the description names. A server as a process of its own answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.app import openapi_document
from bot.settings import Settings
from bot.store import Store

SEED = int(os.environ.get("TEST_SEED", "5"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Beyond, the line is refused before there is a request.
LONGEST_LINE = 8_000
# A stream does not end; fitting orders would start trainings.
LEFT_OUT = {"GET /chat/events"}
NEVER_GOOD = {"POST /api/v1/jobs"}


async def token_of(folder: Path) -> str:
    """A token that may do everything, in a folder with one article."""
    store = Store.open(Settings(data_dir=str(folder)))
    await store.knowledge.save(text="Within three days.", questions=["Where is my parcel?"])
    _, secret = await store.people.create_token("all", ("admin",))
    await store.close()
    return secret


def visitor_of(url: str) -> str:
    return str(requests.post(f"{url}/chat/visitors", json={}, timeout=30).json()["token"])


def ask(operation: Any, url: str, secret: str, count: int, seen: Counter[int]) -> list[str]:
    """What is wrong with the answers to requests of one operation; half do not fit it."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {secret}"

    def tried(mode: GenerationMode) -> None:
        @seed(SEED)
        @examples(
            max_examples=count // 2, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            response = case.call(base_url=url, session=session, timeout=60)
            seen[response.status_code // 100] += 1
            long = len(str(response.request.url)) > LONGEST_LINE
            case.validate_response(response, checks=CHECKS[:1] if long else CHECKS)

        one()

    wrong = []
    for mode in (GenerationMode.NEGATIVE, GenerationMode.POSITIVE):
        if mode is GenerationMode.NEGATIVE or operation.label not in NEVER_GOOD:
            with contextlib.suppress(Unsatisfiable):  # nothing that could be wrong with it
                try:
                    tried(mode)
                except FailureGroup as failures:
                    wrong.append(f"{operation.label}: {failures.message}")
    return wrong


@pytest.mark.timeout(3600)
async def test_described_requests_get_described_answers(
    tmp_path: Path, serving, sized, record_property
) -> None:
    secret = await token_of(tmp_path)
    schema = schemathesis.openapi.from_dict(openapi_document())
    operations = [one for found in schema.get_all_operations() if (one := found.ok())]
    operations = [one for one in operations if one.label not in LEFT_OUT]
    count, seen = sized(400, 400, 20_000) // len(operations) + 1, Counter()
    wrong: list[str] = []
    async with serving(tmp_path) as (url, _):
        visitor = await asyncio.to_thread(visitor_of, url)
        for operation in operations:
            known = visitor if operation.path.startswith("/chat") else secret
            wrong += await asyncio.to_thread(ask, operation, url, known, max(2, count), seen)
    assert not wrong, "\n\n".join(wrong)
    assert seen[2]
    assert seen[4]
    record_property(
        "figure", f"{seen.total():,} drawn requests of {len(operations)} operations: 0 of class "
        "500, each answer as described"
    )  # fmt: skip
