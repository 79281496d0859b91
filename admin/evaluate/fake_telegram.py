"""A Bot API server on this machine: real HTTP, Telegram's semantics, and its bad days on request.

It keeps updates until they are confirmed by an offset or by a 2xx of the webhook, refuses polling
while a webhook is set, and records everything sent. It knows one token and any number of chats.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web

TOKEN = "123456789:fake-token-for-this-machine-only"  # noqa: S105 - opens nothing
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
_MAX_TEXT = 4096
_RESEND_S = 0.05
_WEBHOOK_TIMEOUT_S = 5.0
_OPENED_AT = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method as it came in; ``files`` holds uploaded bytes, ``names`` their names."""

    method: str
    params: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    accepted: bool = True
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What one call of a sending method gets instead of an answer.

    Attributes:
        status: HTTP status and ``error_code``; 0 closes the connection.
        description: text of the error.
        retry_after_s: set for 429.
        accepted: the message was taken all the same (a reset or 5xx after acceptance).
        hang_s: silence before the answer.
    """

    status: int
    description: str = ""
    retry_after_s: int | None = None
    accepted: bool = False
    hang_s: float = 0.0


FLOOD = Fault(429, "Too Many Requests: retry after 1", retry_after_s=1)
NO_CHAT = Fault(400, "Bad Request: chat not found")
BLOCKED = Fault(403, "Forbidden: bot was blocked by the user")
RESET_AFTER_ACCEPTING = Fault(0, accepted=True)


class FakeTelegram:
    """The server; use it as ``async with FakeTelegram() as telegram``.

    Attributes:
        calls: every call, in order; ``sent`` gives those that reached a chat.
        faults: per method, what its next calls get; None is an ordinary answer.
        files: content by ``file_id``.
        confirmed: ids of updates that are gone for good.
        webhook_address: where to push instead of the address that was set.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.calls: list[Call] = []
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.files: dict[str, bytes] = {}
        self.confirmed: list[int] = []
        self.webhook: dict[str, Any] = {}
        self.webhook_address = ""
        self.webhook_answers: list[int] = []
        self._pending: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._update_ids = itertools.count(1000)
        self._message_ids: defaultdict[int, itertools.count[int]] = defaultdict(
            lambda: itertools.count(1)
        )
        self._runner: web.AppRunner | None = None
        self._pusher: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def api_url(self) -> str:
        """Value for ``telegram.api_url``."""
        return f"http://127.0.0.1:{self._port}/bot"

    @property
    def file_url(self) -> str:
        """Value for ``telegram.file_url``."""
        return f"http://127.0.0.1:{self._port}/file/bot"

    @property
    def pending(self) -> list[int]:
        """Ids of updates that wait."""
        return [update["update_id"] for update in self._pending]

    @property
    def sent(self) -> list[Call]:
        """Calls of sending methods whose message reached its chat."""
        made = ("sendMessage", "sendDocument", "sendPhoto")
        return [call for call in self.calls if call.method in made and call.accepted]

    def texts(self, chat_id: int | None = None) -> list[str]:
        """Texts and captions that reached a chat, or any."""
        return [
            call.params.get("text") or call.params.get("caption") or ""
            for call in self.sent
            if chat_id is None or call.params["chat_id"] == chat_id
        ]

    async def __aenter__(self) -> FakeTelegram:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        # Short: a client in a long poll must not keep the server from closing.
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._pusher = asyncio.create_task(self._push())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pusher is not None:
            self._pusher.cancel()
            await asyncio.gather(self._pusher, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def write(self, chat_id: int, text: str | None = None, **content: Any) -> dict[str, Any]:
        """A customer writes; ``content`` are further fields of the message, e.g. ``sticker``."""
        message = self._message(chat_id, from_bot=False)
        if text is not None:
            message["text"] = text
        return self.push({"message": message | content})

    def edit(self, chat_id: int, message_id: int, text: str) -> dict[str, Any]:
        """A customer edits a message."""
        message = self._message(chat_id, from_bot=False, number=message_id)
        return self.push({"edited_message": message | {"text": text, "edit_date": _OPENED_AT + 60}})

    def press(self, chat_id: int, data: str) -> dict[str, Any]:
        """A customer presses an inline button."""
        user = self._message(chat_id, from_bot=False)["from"]
        query = {
            "id": f"q{next(self._update_ids)}",
            "from": user,
            "chat_instance": "1",
            "data": data,
            "message": self._message(chat_id, from_bot=True) | {"text": "?"},
        }
        return self.push({"callback_query": query})

    def push(self, update: dict[str, Any]) -> dict[str, Any]:
        """Queue an update; one that has an ``update_id`` keeps it, so it can be a duplicate."""
        update = {"update_id": next(self._update_ids)} | update
        self._pending.append(update)
        self._news.set()
        return update

    def shuffle(self, order: Callable[[dict[str, Any]], Any]) -> None:
        """Deliver what is pending in another order, as unrelated chats may come."""
        self._pending.sort(key=order)

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait for ``condition``.

        Raises:
            TimeoutError: it did not come true.
        """
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - looks at another party's state
                await asyncio.sleep(0.005)

    def _message(
        self, chat_id: int, *, from_bot: bool, number: int | None = None
    ) -> dict[str, Any]:
        bot = {"id": 1, "is_bot": True, "first_name": "Desk", "username": "desk_bot"}
        person = {"id": chat_id, "is_bot": False, "first_name": f"Customer {chat_id}"}
        return {
            "message_id": number or next(self._message_ids[chat_id]),
            "date": _OPENED_AT,
            "chat": {"id": chat_id, "type": "private", "first_name": person["first_name"]},
            "from": bot if from_bot else person | {"language_code": "ru"},
        }

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.match_info["token"] != self.token:
            return _error(401, "Unauthorized")
        params, files, names = await _params(request)
        fault = self.faults[method].popleft() if self.faults[method] else None
        accepted = fault is None or fault.accepted
        self.calls.append(Call(method, params, files, accepted, names))
        handler: Callable[..., Awaitable[web.Response]] | None = getattr(
            self, f"_on_{method}", None
        )
        if handler is None:
            return _error(404, "Not Found")
        answer = await handler(params, files) if accepted else None
        if fault is None:
            return answer or _ok(True)
        await asyncio.sleep(fault.hang_s)
        if fault.status == 0:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.status == 200 and answer is not None:
            return answer
        return _error(fault.status, fault.description, fault.retry_after_s)

    async def _on_getMe(self, *_: Any) -> web.Response:  # noqa: N802 - the method's name
        return _ok({
            "id": 1, "is_bot": True, "first_name": "Desk", "username": "desk_bot",
            "can_join_groups": False, "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        })  # fmt: skip

    async def _on_setWebhook(self, params: dict[str, Any], *_: Any) -> web.Response:  # noqa: N802
        self.webhook = params if params.get("url") else {}
        if params.get("drop_pending_updates"):
            self._pending.clear()
        self._news.set()
        return _ok(True)

    async def _on_deleteWebhook(self, params: dict[str, Any], *_: Any) -> web.Response:  # noqa: N802
        self.webhook = {}
        if params.get("drop_pending_updates"):
            self._pending.clear()
        return _ok(True)

    async def _on_getWebhookInfo(self, *_: Any) -> web.Response:  # noqa: N802
        return _ok(
            {
                "url": self.webhook.get("url", ""),
                "has_custom_certificate": False,
                "pending_update_count": len(self._pending),
            }
        )

    async def _on_getUpdates(self, params: dict[str, Any], *_: Any) -> web.Response:  # noqa: N802
        if self.webhook:
            return _error(409, "Conflict: can't use getUpdates method while webhook is active")
        offset = params.get("offset") or 0
        self.confirmed += [number for number in self.pending if number < offset]
        self._pending = [u for u in self._pending if u["update_id"] >= offset]
        self._pending.sort(key=lambda update: int(update["update_id"]))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(params.get("timeout", 0)):
                while not self._pending:
                    self._news.clear()
                    await self._news.wait()
        return _ok(self._pending[: params.get("limit", 100)])

    async def _on_sendMessage(self, params: dict[str, Any], *_: Any) -> web.Response:  # noqa: N802
        text = params.get("text", "")
        if not text.strip():
            return _error(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > _MAX_TEXT:
            return _error(400, "Bad Request: message is too long")
        return _ok(self._message(params["chat_id"], from_bot=True) | {"text": text})

    async def _on_sendDocument(  # noqa: N802
        self, params: dict[str, Any], files: dict[str, bytes]
    ) -> web.Response:
        content = files.get("document", b"")
        number = f"document-{len(self.files)}"
        self.files[number] = content
        document = {"file_id": number, "file_unique_id": number, "file_size": len(content)}
        return _ok(self._message(params["chat_id"], from_bot=True) | {"document": document})

    async def _on_sendPhoto(  # noqa: N802
        self, params: dict[str, Any], files: dict[str, bytes]
    ) -> web.Response:
        content = files.get("photo", b"")
        photo = {"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}
        photos = [photo | {"file_size": len(content)}]
        return _ok(self._message(params["chat_id"], from_bot=True) | {"photo": photos})

    async def _on_sendChatAction(self, *_: Any) -> web.Response:  # noqa: N802
        return _ok(True)

    async def _on_answerCallbackQuery(self, *_: Any) -> web.Response:  # noqa: N802
        return _ok(True)

    async def _on_editMessageText(self, params: dict[str, Any], *_: Any) -> web.Response:  # noqa: N802
        number = params.get("message_id")
        message = self._message(params["chat_id"], from_bot=True, number=number)
        return _ok(message | {"text": params.get("text", "")})

    async def _on_getFile(self, params: dict[str, Any], *_: Any) -> web.Response:  # noqa: N802
        number = params.get("file_id", "")
        if number not in self.files:
            return _error(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        found = {"file_id": number, "file_unique_id": number, "file_path": f"files/{number}"}
        return _ok(found | {"file_size": len(self.files[number])})

    async def _download(self, request: web.Request) -> web.Response:
        name = request.match_info["path"].rpartition("/")[2]
        if request.match_info["token"] != self.token or name not in self.files:
            return _error(404, "Not Found")
        return web.Response(body=self.files[name])

    async def _push(self) -> None:
        """Push to the webhook, one update at a time, each again until it is taken."""
        async with ClientSession(timeout=ClientTimeout(_WEBHOOK_TIMEOUT_S)) as session:
            while True:
                if not self.webhook or not self._pending:
                    await asyncio.sleep(_RESEND_S / 5)
                    continue
                update = self._pending[0]
                status = await self._push_one(session, update)
                self.webhook_answers.append(status)
                if 200 <= status < 300 and update in self._pending:
                    self._pending.remove(update)
                    self.confirmed.append(update["update_id"])
                elif status not in range(200, 300):
                    await asyncio.sleep(_RESEND_S)

    async def _push_one(self, session: ClientSession, update: dict[str, Any]) -> int:
        headers = {}
        if self.webhook.get("secret_token"):
            headers[SECRET_HEADER] = self.webhook["secret_token"]
        address = self.webhook_address or self.webhook["url"]
        try:
            async with session.post(address, json=update, headers=headers) as response:
                return response.status
        except (ClientError, TimeoutError, OSError):
            return 0


async def _params(
    request: web.Request,
) -> tuple[dict[str, Any], dict[str, bytes], dict[str, str]]:
    """Parameters as the Bot API reads them: form fields, JSON where a value is not plain text."""
    if request.content_type == "application/json":
        return dict(await request.json()), {}, {}
    params: dict[str, Any] = dict(request.query)
    files: dict[str, bytes] = {}
    names: dict[str, str] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            with value.file:
                files[name], names[name] = value.file.read(), value.filename
        else:
            params[name] = value
    plain = {"text", "caption", "secret_token", "url", "file_id", "callback_query_id"}
    for name, value in params.items():
        if name not in plain:
            with contextlib.suppress(ValueError, TypeError):
                params[name] = json.loads(value)
    # A file that was uploaded under another name is referred to as attach://name.
    for name, value in params.items():
        if isinstance(value, str) and value.startswith("attach://"):
            uploaded = value.removeprefix("attach://")
            files[name] = files.pop(uploaded, b"")
            names[name] = names.pop(uploaded, "")
    return params, files, names


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(code: int, description: str, retry_after_s: int | None = None) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if retry_after_s is not None:
        body["parameters"] = {"retry_after": retry_after_s}
    return web.json_response(body, status=code)
