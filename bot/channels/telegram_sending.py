"""Outgoing messages in Telegram's measure: pieces of text, buttons, and what its errors mean."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, ReplyKeyboardMarkup
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.ext import ExtBot

from bot.catalogue import Catalogue
from bot.channels.telegram_updates import PERSON_BUTTON, external_id, message_number
from bot.domain import Attachment, Author, MessageKind, OutboxRow
from bot.ports import BLOCKED, SendFailed
from bot.replies import PERSON_KEY
from bot.replies.policy import language_of
from bot.settings import Settings
from nlp.text import guess_language

MAX_TEXT = 4096  # UTF-16 units; Source: Bot API, sendMessage
MAX_CAPTION = 1024

_BAD_TOKEN_RETRY_S = 60.0
_LONGEST_INNER_PAUSE_S = 60.0
# A request that failed so never left this machine.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_NO_PICTURE = ("photo", "image")  # in a refusal, e.g. PHOTO_INVALID_DIMENSIONS
_JOINER = "\u200d"
# Joiners, skin tones, and the tags that spell a flag.
_BINDING = frozenset("\u200c\u200d") | {
    chr(code) for code in (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080))
}
_MARKS = frozenset({"Mn", "Mc", "Me"})  # variation selectors among them
_REGIONAL = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # two make a flag
# Best place to cut first: paragraph, line, sentence, word.
_CUTS = (("\n\n",), ("\n",), (". ", "! ", "? ", "… ", ".\n"), (" ",))


class Sender:
    """Sends outbox rows through a Bot API client."""

    def __init__(self, bot: ExtBot[Any], settings: Settings, catalogue: Catalogue) -> None:
        self._bot = bot
        self._settings = settings
        self._catalogue = catalogue

    async def send(self, row: OutboxRow) -> str | None:
        """Deliver text in pieces, a file with its words; the name of the first message sent.

        Raises:
            SendFailed: ``uncertain`` as soon as a part has arrived and another may not have.
        """
        first: str | None = None
        for send in await self._parts(row):
            number = await self._one(send, partly=first is not None)
            first = first or external_id(int(row.recipient), number)
        return first

    async def _one(self, send: Callable[[], Any], *, partly: bool) -> int:
        """Number of the message that ``send`` made.

        Raises:
            SendFailed: see ``send``.
        """
        while True:
            try:
                return int((await send()).message_id)
            except TelegramError as error:
                failure = failure_of(error)
            if not partly:
                raise failure from None
            pause_s = failure.retry_after_s
            if pause_s is None or pause_s > _LONGEST_INNER_PAUSE_S:
                # Sending the row again would repeat what has arrived.
                raise SendFailed("sent-in-part", uncertain=True) from None
            await asyncio.sleep(pause_s)

    async def _parts(self, row: OutboxRow) -> list[Callable[[], Any]]:
        """Calls that send the row, in order."""
        language = language_of(self._settings, guess_language(row.text))
        markup = keyboard(row.author, language, self._catalogue)
        replied = message_number(row.reply_to_external_id) if row.author is Author.AGENT else None
        common: dict[str, Any] = {"chat_id": int(row.recipient)}
        if replied is not None:
            common |= {"reply_to_message_id": replied, "allow_sending_without_reply": True}
        sends: list[Callable[[], Any]] = []
        pieces = split_text(row.text)
        if row.attachment is not None:
            fits = len(split_text(row.text, MAX_CAPTION)) <= 1
            caption = pieces.pop() if fits and pieces else None
            sends.append(await self._file(row, row.attachment, caption, common))
        for place, piece in enumerate(pieces):
            last = place == len(pieces) - 1
            sends.append(
                _call(
                    self._bot.send_message,
                    text=piece,
                    reply_markup=markup if last else None,
                    **common,
                )
            )
        if not sends:
            raise SendFailed("empty", final=True)
        return sends

    async def _file(
        self, row: OutboxRow, attachment: Attachment, caption: str | None, common: dict[str, Any]
    ) -> Callable[[], Any]:
        content = await self._bytes_of(attachment)
        given = {"caption": caption, "filename": attachment.name, **common}
        document = _call(self._bot.send_document, document=content, **given)
        if row.kind is not MessageKind.PHOTO:
            return document
        photo = _call(self._bot.send_photo, photo=content, **given)

        async def send() -> Any:
            try:
                return await photo()
            except BadRequest as error:
                # Too long and narrow, or not what its type says: as a file it arrives all the same.
                if not any(word in error.message.lower() for word in _NO_PICTURE):
                    raise
                return await document()

        return send

    async def _bytes_of(self, attachment: Attachment) -> bytes | str:
        kind, _, digest = attachment.reference.partition(":")
        if kind != "blob":
            return attachment.reference  # a file of Telegram's own is sent by its id
        path = Path(self._settings.attachments_path) / Path(digest).name
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError:
            raise SendFailed("file-gone", final=True) from None


def _call(method: Callable[..., Any], **arguments: Any) -> Callable[[], Any]:
    return lambda: method(**arguments)


def split_text(text: str, limit: int = MAX_TEXT) -> list[str]:
    """``text`` in pieces of at most ``limit`` UTF-16 units, cut between sentences or words.

    What is read as one character is never cut in two, however many code points it has, unless it
    alone is longer than a message; white space at a cut is dropped.
    """
    pieces = []
    rest = text.strip()
    while rest:
        end = _fitting(rest, limit)
        if end < len(rest):
            end = _cut(rest, end)
        pieces.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return pieces


def _fitting(text: str, limit: int) -> int:
    """Number of characters whose UTF-16 form has at most ``limit`` units; at least 1."""
    if len(text) <= limit // 2:
        return len(text)
    units = 0
    for place, character in enumerate(text):
        units += 2 if character > "\uffff" else 1
        if units > limit:
            return max(place, 1)
    return len(text)


def _cut(text: str, end: int) -> int:
    for marks in _CUTS:
        # The mark itself may hang over the edge: its white space is dropped anyway.
        best = max(text.rfind(mark, 0, end + 1) + len(mark.rstrip()) for mark in marks)
        if max(end // 2, 1) <= best <= end:
            return best
    whole = end
    while whole and _is_inside(text, whole):
        whole -= 1
    return whole or end


def _is_inside(text: str, place: int) -> bool:
    """Whether the characters beside ``place`` are drawn as one.

    Source: UAX #29, rules GB9, GB9a, GB11 and GB12, wider: a joiner binds whatever stands there.
    """
    before, after = text[place - 1], text[place]
    if after in _BINDING or before == _JOINER or unicodedata.category(after) in _MARKS:
        return True
    if after not in _REGIONAL:
        return False
    flags = place - len(text[:place].rstrip(_REGIONAL))
    return flags % 2 == 1


def keyboard(
    author: Author, language: str, catalogue: Catalogue
) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
    """The "talk to a person" button: under an answer of the bot, below the talk after a notice."""
    label = catalogue.text(PERSON_KEY, language)
    if author is Author.BOT:
        button = InlineKeyboardButton(label, callback_data=PERSON_BUTTON)
        return InlineKeyboardMarkup([[button]])
    if author is Author.SYSTEM:
        return ReplyKeyboardMarkup([[label]], resize_keyboard=True, is_persistent=True)
    return None


def failure_of(error: TelegramError) -> SendFailed:
    """What an error of the Bot API says of a message: refused, not yet, or nobody knows."""
    if isinstance(error, RetryAfter):
        return SendFailed("too-many-requests", retry_after_s=seconds_of(error))
    if isinstance(error, Forbidden):
        # Else: the account is deleted, or the bot was put out of the chat.
        by_user = "blocked" in error.message.lower()
        return SendFailed(BLOCKED if by_user else "chat-not-found", final=True)
    if isinstance(error, InvalidToken):
        return SendFailed("token-refused", retry_after_s=_BAD_TOKEN_RETRY_S)
    if isinstance(error, BadRequest):
        gone = "chat not found" in error.message.lower()
        return SendFailed("chat-not-found" if gone else "refused", final=True)
    if isinstance(error.__cause__, _NEVER_LEFT):
        return SendFailed("network")
    # The request left: an answer of 5xx, a reset or silence may all come after acceptance.
    return SendFailed("no-answer", uncertain=True)


def seconds_of(error: RetryAfter) -> float:
    """The pause that Telegram asks for."""
    pause = error.retry_after
    return float(pause if isinstance(pause, int | float) else pause.total_seconds())


def opt_in_timedelta() -> None:
    """Have the library give spans as ``timedelta``; without it each 429 warns of a deprecation."""
    os.environ.setdefault("PTB_TIMEDELTA", "true")
