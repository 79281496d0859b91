"""The Telegram channel: own polling loop or webhook, both committing before they acknowledge.

The Bot API client of python-telegram-bot sends and knows the types; its Updater is not used, since
it confirms updates that are still in memory. ``telegram.mode`` alone switches the way in.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import re
import time
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from telegram import Update
from telegram.error import TelegramError
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from bot.access import Route
from bot.catalogue import Catalogue
from bot.channels.telegram_log import Redaction
from bot.channels.telegram_sending import Sender, failure_of, opt_in_timedelta
from bot.channels.telegram_updates import NAME, WANTED, read_update
from bot.domain import Inbound, OutboxRow, Receipt
from bot.errors import BadRequest, Forbidden, NotFound, SettingsInvalid, StorageUnavailable
from bot.http import decode_bytes, read_body
from bot.pipeline import Pipeline
from bot.ports import Clock, SendFailed
from bot.services import SERVICES
from bot.settings import Settings, TelegramSettings
from bot.store import Store

_LOG = logging.getLogger(__name__)

WEBHOOK_PATH = "/telegram/webhook"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")  # Source: Bot API, setWebhook
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_BATCH = 100
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 30.0
# One connection at a time keeps the order of each chat whatever the network does.
_WEBHOOK_CONNECTIONS = 1
_STOP_TIMEOUT_S = 8.0
_KEEP_RAW_S = 30 * 86_400.0  # raw updates, to look at when something was read wrongly


def routes() -> list[Route]:
    """The webhook, for an application with a Telegram channel."""
    return [Route("POST", WEBHOOK_PATH, _webhook, "public", limited=False)]


async def _webhook(request: web.Request) -> web.Response:
    channel = request.config_dict[SERVICES].channels.get(NAME)
    if not isinstance(channel, TelegramChannel):
        raise NotFound
    return await channel.webhook(request)


class TelegramChannel:
    """Telegram on both ways.

    Args:
        settings: ``telegram`` and, for the webhook, ``http.public_url``.
        store: its inbox commits updates.
        pipeline: told of them after the commit.
        clock: now, UTC epoch seconds.

    Raises:
        SettingsInvalid: no token, or a webhook without an address or a proper secret.
    """

    name = NAME
    exactly_once = False

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pipeline: Pipeline,
        clock: Clock,
        *,
        catalogue: Catalogue | None = None,
    ) -> None:
        _check(settings)
        opt_in_timedelta()
        self._settings = settings
        self._telegram = settings.telegram
        self._inbox = store.inbox
        self._pipeline = pipeline
        self._clock = clock
        self._catalogue = catalogue or Catalogue.load()
        self._redaction = Redaction((self._telegram.token, self._telegram.webhook_secret))
        self._redaction.attach()  # building the client already writes its address
        self._polls = HTTPXRequest(connection_pool_size=1)
        self._bot = _bot(settings, self._polls)
        self._sender = Sender(self._bot, settings, self._catalogue)
        self._initialised = False
        self._stopping = asyncio.Event()
        self._receiving = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._state = "off"
        self._last_error = ""
        self._pause_s = _FIRST_PAUSE_S
        self._offset = 0
        self._received = self._sent = self._sending = 0

    async def start(self) -> None:
        """Begin to connect; returns at once, so that a server starts without a network."""
        self._redaction.attach()
        self._stopping.clear()
        self._state = "connecting"
        self._runner = asyncio.create_task(self._run(), name="telegram")

    async def stop(self) -> None:
        """Take nothing new in; what was taken is committed, the rest stays with Telegram."""
        self._stopping.set()
        if self._runner is not None:
            await asyncio.gather(self._runner, return_exceptions=True)
        async with self._receiving:  # a webhook call in flight ends first
            for task in tuple(self._tasks):
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                while self._sending:  # noqa: ASYNC110 - a closed client would leave them uncertain
                    await asyncio.sleep(0.02)
        if self._initialised:
            self._initialised = False
            with contextlib.suppress(TelegramError):
                await self._bot.shutdown()
        self._state = "off"
        self._redaction.detach()

    async def webhook(self, request: web.Request) -> web.Response:
        """200 after the update is committed.

        Raises:
            Forbidden: the secret is wrong or missing.
            BadRequest: not an update.
            StorageUnavailable: not stored, or the server stops; Telegram sends it again.
        """
        secret = self._telegram.webhook_secret
        given = request.headers.get(SECRET_HEADER, "")
        if not secret or self._telegram.mode != "webhook":
            raise Forbidden("The webhook is switched off.")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            raise Forbidden("The secret is wrong.")
        arrived = time.perf_counter()
        number, raw = _numbered(await read_body(request))
        async with self._receiving:
            if self._stopping.is_set():
                raise StorageUnavailable("The server is stopping.")
            await self._commit([(number, raw, _parsed(raw, self._bot))], arrived)
        return web.json_response({"ok": True})

    async def send(self, row: OutboxRow) -> str | None:
        """Deliver text in pieces, a file with its words; the name of the first message sent.

        Raises:
            SendFailed: ``uncertain`` as soon as a part has arrived and another may not have.
        """
        if not self._initialised or self._stopping.is_set():
            raise SendFailed("not-connected")
        self._sending += 1
        try:
            name = await self._sender.send(row)
        finally:
            self._sending -= 1
        self._sent += 1
        return name

    async def typing(self, recipient: str) -> None:
        """Show "typing" for five seconds."""
        with contextlib.suppress(TelegramError, RuntimeError, ValueError):
            await self._bot.send_chat_action(int(recipient), "typing")

    async def fetch(self, reference: str, max_bytes: int) -> bytes:
        """Bytes of a file the customer sent.

        Raises:
            SendFailed: it is gone, or larger than ``max_bytes``.
        """
        try:
            file = await self._bot.get_file(reference)
            if (file.file_size or 0) > max_bytes:
                raise SendFailed("file-too-large", final=True)
            content = bytes(await file.download_as_bytearray())
        except TelegramError as error:
            final = failure_of(error).final
            raise SendFailed("file-gone" if final else "network", final=final) from None
        if len(content) > max_bytes:
            raise SendFailed("file-too-large", final=True)
        return content

    def health(self) -> dict[str, object]:
        """State, mode, last error without secrets, counts."""
        return {
            "state": self._state,
            "mode": self._telegram.mode,
            "last_error": self._last_error,
            "received": self._received,
            "sent": self._sent,
        }

    async def _run(self) -> None:
        """Connect and receive until stopped; failures are tried again after longer pauses."""
        while not self._stopping.is_set():
            try:
                await self._connect()
                self._live()
                if self._telegram.mode == "webhook":
                    await self._stopping.wait()
                while not self._stopping.is_set():
                    await self._poll()
            except Exception as error:  # noqa: BLE001 - the way in must not close by itself
                self._failing(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pause_s)
            self._pause_s = min(self._pause_s * 2, _LAST_PAUSE_S)

    async def _connect(self) -> None:
        if not self._initialised:
            await self._bot.initialize()
            self._initialised = True
            await self._inbox.prune(self._clock() - _KEEP_RAW_S)
        if self._telegram.mode == "webhook":
            await self._bot.set_webhook(
                self._settings.http.public_url.rstrip("/") + WEBHOOK_PATH,
                secret_token=self._telegram.webhook_secret,
                allowed_updates=WANTED,
                drop_pending_updates=False,
                max_connections=_WEBHOOK_CONNECTIONS,
            )
        else:
            await self._bot.delete_webhook(drop_pending_updates=False)
            # A webhook may have brought later updates before earlier ones, which an offset would
            # confirm unseen: ask for all that wait, those that are known act no second time.
            self._offset = 0

    async def _poll(self) -> None:
        """Take and commit one batch; the next call confirms it to Telegram."""
        offset = min(self._offset, await self._inbox.telegram_offset())
        asked = asyncio.create_task(self._ask(offset))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not asked.done():
                asked.cancel()
        if self._stopping.is_set():
            await asyncio.gather(asked, return_exceptions=True)
            return
        arrived = time.perf_counter()
        updates = asked.result()
        if updates:
            read = [(int(raw["update_id"]), raw, _parsed(raw, self._bot)) for raw in updates]
            await self._commit(read, arrived)
            self._offset = max(number for number, _, _ in read) + 1
        self._pause_s = _FIRST_PAUSE_S

    async def _ask(self, offset: int) -> list[dict[str, Any]]:
        """Updates as they came: one that the library cannot read must not stop the rest."""
        wait_s = self._telegram.poll_timeout_s
        wanted = {
            "offset": offset,
            "limit": _BATCH,
            "timeout": int(wait_s),
            "allowed_updates": json.dumps(WANTED),
        }
        address = f"{self._bot.base_url}/getUpdates?{urlencode(wanted)}"
        found: Any = await self._polls.post(address, read_timeout=wait_s + 10.0)
        return list(found)

    async def _commit(
        self, updates: Sequence[tuple[int, dict[str, Any], Update | None]], arrived: float
    ) -> None:
        now = self._clock()
        rows = [(number, _dump(raw), self._read(update, now)) for number, raw, update in updates]
        receipts: list[Receipt | None] = await self._inbox.receive_updates(rows)
        self._received += len(rows)
        self._pipeline.receive_stored(receipts, arrived=arrived)
        for _, _, update in updates:
            if update is not None and update.callback_query is not None:
                self._soon(self._bot.answer_callback_query(update.callback_query.id))

    def _read(self, update: Update | None, now: float) -> Inbound | None:
        if update is None:
            return None
        try:
            return read_update(
                update,
                received_at=now,
                max_file_bytes=self._telegram.max_file_bytes,
                catalogue=self._catalogue,
            )
        except Exception:  # noqa: BLE001 - stored raw all the same, and the others go on
            _LOG.exception("Update %d cannot be read", update.update_id)
            return None

    def _soon(self, work: Any) -> None:
        async def quietly() -> None:
            with contextlib.suppress(TelegramError, RuntimeError):
                await work

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _live(self) -> None:
        self._state, self._last_error = "live", ""

    def _failing(self, error: Exception) -> None:
        self._state = "failing"
        self._last_error = self._redaction.clean(f"{type(error).__name__}: {error}")
        _LOG.warning("Telegram: %s", self._last_error)


def _bot(settings: Settings, polls: HTTPXRequest) -> ExtBot[Any]:
    return ExtBot(
        settings.telegram.token,
        base_url=settings.telegram.api_url,
        base_file_url=settings.telegram.file_url,
        request=HTTPXRequest(connection_pool_size=16, pool_timeout=20.0),
        get_updates_request=polls,
        rate_limiter=AIORateLimiter(max_retries=0),
    )


def _check(settings: Settings) -> None:
    telegram = settings.telegram
    if not telegram.token:
        raise SettingsInvalid("Settings: telegram.token is empty.", remedy="BotFather gives one.")
    if telegram.mode != "webhook":
        return
    # A Bot API server of one's own also pushes to plain http.
    official = telegram.api_url == TelegramSettings().api_url
    schemes = ("https://",) if official else ("https://", "http://")
    if not settings.http.public_url.startswith(schemes):
        raise SettingsInvalid(
            "Settings: the webhook needs http.public_url with https.",
            remedy="Set it, or telegram.mode = polling.",
        )
    if not _SECRET.fullmatch(telegram.webhook_secret):
        raise SettingsInvalid(
            "Settings: telegram.webhook_secret must be 1 to 256 letters, digits, _ or -."
        )


def _parsed(raw: dict[str, Any], bot: ExtBot[Any]) -> Update | None:
    """The update, or None where the library cannot read it; it is stored raw all the same."""
    try:
        return Update.de_json(raw, bot)
    except Exception:  # noqa: BLE001 - whatever it is, refusing would have it sent for ever
        _LOG.warning("An update of an unknown shape is stored unread")
        return None


def _numbered(body: bytes) -> tuple[int, dict[str, Any]]:
    """The update of a webhook call and its number.

    Raises:
        BadRequest: it is none.
    """
    try:
        raw = decode_bytes(body, dict[str, Any])
        return msgspec.convert(raw.get("update_id"), _Number), raw
    except (BadRequest, msgspec.ValidationError) as error:
        raise BadRequest("This is no update.") from error


def _dump(raw: dict[str, Any]) -> str:
    return json.dumps(raw, ensure_ascii=False)  # half a character is no error here
