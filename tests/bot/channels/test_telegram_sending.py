"""Pieces of text in Telegram's measure, and what its errors mean."""

import logging
import os

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter, TimedOut

from bot.channels.telegram_log import Redaction
from bot.channels.telegram_sending import failure_of, split_text

EXAMPLES = {"short": 2_000, "full": 10_000}.get(os.environ.get("TRUST_PROFILE", ""), 100)


def units(text):
    return len(text.encode("utf-16-le")) // 2


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason", "final", "uncertain"),
    [
        (Forbidden("bot was blocked by the user"), "blocked", True, False),
        (Forbidden("user is deactivated"), "chat-not-found", True, False),
        (BadRequest("Chat not found"), "chat-not-found", True, False),
        (BadRequest("can't parse"), "refused", True, False),
        (InvalidToken("no"), "token-refused", False, False),
        (caused(NetworkError("x"), httpx.ConnectError("x")), "network", False, False),
        (caused(TimedOut(), httpx.ConnectTimeout("x")), "network", False, False),
        (caused(TimedOut(), httpx.PoolTimeout("x")), "network", False, False),
        (caused(TimedOut(), httpx.ReadTimeout("x")), "no-answer", False, True),
        (caused(NetworkError("x"), httpx.RemoteProtocolError("x")), "no-answer", False, True),
        (caused(NetworkError("x"), httpx.WriteError("x")), "no-answer", False, True),
        (NetworkError("Bad Gateway"), "no-answer", False, True),
    ],
)
def test_what_errors_mean(error, reason, final, uncertain):
    failure = failure_of(error)
    assert (failure.reason, failure.final, failure.uncertain) == (reason, final, uncertain)


def test_the_pause_of_flood_control_is_kept(monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    assert failure_of(RetryAfter(17)).retry_after_s == 17


@given(st.text(st.sampled_from("аb. \n!😀🇷\u200d\u0301"), max_size=200), st.integers(2, 40))
def test_pieces_fit_and_lose_only_white_space(text, limit):
    pieces = split_text(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


# Each is drawn as one: a family, flags of a country and of Scotland, a skin tone, a heart, a
# keycap, a letter with two marks, a syllable of Devanagari.
DRAWN_AS_ONE = (
    "👨‍👩‍👧‍👦", "🇷🇺", "🇬🇧", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👍🏽", "❤️", "1️⃣", "a\u0301\u0323",
    "नि", "й", "x", "ж", " ", ". ", "\n",
)  # fmt: skip
LONGEST = max(map(units, DRAWN_AS_ONE))


@examples(max_examples=EXAMPLES)
@given(st.lists(st.sampled_from(DRAWN_AS_ONE), max_size=120), st.integers(LONGEST, 60))
def test_nothing_drawn_as_one_is_cut(drawn, limit):
    """Between the pieces stands each as whole as it was: their ends are ends of what was given."""
    pieces = split_text("".join(drawn), limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    ends, at = set(), 0
    for one in drawn:
        at += len("".join(one.split()))
        ends.add(at)
    at = 0
    for piece in pieces:
        at += len("".join(piece.split()))
        assert at in ends, piece


def test_a_short_text_is_one_piece_even_at_the_very_limit():
    assert split_text("x" * 4096) == ["x" * 4096]
    assert split_text("😀" * 2048) == ["😀" * 2048]
    assert [len(piece) for piece in split_text("😀" * 2049)] == [2048, 1]
    assert split_text("  ") == []


def test_cuts_prefer_paragraphs_then_sentences_then_words():
    assert split_text("one one\n\ntwo. two two", 14) == ["one one", "two. two two"]
    assert split_text("First one. Second one here", 16) == ["First one.", "Second one here"]
    assert split_text("aaaa bbbb cccc", 11) == ["aaaa bbbb", "cccc"]
    assert split_text("abcdefgh", 3) == ["abc", "def", "gh"]


def test_secrets_leave_the_lines(caplog):
    caplog.set_level("INFO")
    redaction = Redaction(["s3cret", ""])
    redaction.attach()
    log = logging.getLogger("httpx")
    log.info("to /bot%s/getMe", "s3cret")
    redaction.detach()
    assert [record.getMessage() for record in caplog.records] == ["to /bot***/getMe"]
    assert redaction.clean("a s3cret") == "a ***"
