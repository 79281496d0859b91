"""Log lines: one record a line, no secrets, no noise."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from bot.logs import configure
from bot.settings import LogSettings, Settings, TelegramSettings

TOKEN = "123456789:AAF_abcdefghijklmnopqrstuvwxyz012345"
SECRET = "webhook-secret-of-the-test"


@pytest.fixture
def logged() -> Iterator[Callable[..., io.StringIO]]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def start(form: str = "console") -> io.StringIO:
        stream = io.StringIO()
        settings = Settings(
            log=LogSettings(format=form),
            telegram=TelegramSettings(token=TOKEN, webhook_secret=SECRET),
        )
        configure(settings, context=lambda: "request-7", stream=stream)
        return stream

    yield start
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize(
    "text",
    [
        f"POST https://api.telegram.org/bot{TOKEN}/sendMessage",
        "another bot 987654321:BBF_abcdefghijklmnopqrstuvwxyz012345 here",
        f"header {SECRET}",
        "Authorization: Bearer abcdefghijklmnop",
        "GET /sign-in/link/abcdefghijklmnop failed",
        "cookie __Host-neurobot=abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_secrets_never_appear(logged, form: str, text: str) -> None:
    stream = logged(form)
    logging.getLogger("bot.test").warning("%s", text)
    try:
        int(text)
    except ValueError:  # its text repeats the secret
        logging.getLogger("bot.test").exception("failed")
    written = stream.getvalue()
    for secret in (TOKEN, SECRET, "abcdefghijklmnop"):
        assert secret not in written
    assert "***" in written


def test_json_lines_hold_the_request_id_and_the_trace(logged) -> None:
    stream = logged("json")
    try:
        {}["x"]
    except KeyError:
        logging.getLogger("bot.test").exception("two\nlines")
    (line,) = stream.getvalue().splitlines()
    row = json.loads(line)
    assert row["request_id"] == "request-7"
    assert row["message"] == "two\nlines"
    assert "KeyError" in row["trace"]


def test_a_console_record_cannot_forge_another(logged) -> None:
    stream = logged()
    logging.getLogger("bot.test").warning("name\n12:00:00 ERROR forged \x1b[31m")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_talkative_libraries_are_quiet(logged) -> None:
    stream = logged()
    for name in ("httpx", "httpcore.connection", "telegram.ext"):
        logging.getLogger(name).info("noise")
    assert stream.getvalue() == ""


def test_configuring_twice_writes_once(logged) -> None:
    logged()
    stream = logged()
    logging.getLogger("bot.test").info("once")
    assert stream.getvalue().count("once") == 1
