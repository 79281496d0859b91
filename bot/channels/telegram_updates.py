"""Telegram's updates as ``Inbound``: text, captions, files by reference, edits, replies, buttons.

Group chats, service messages and other bots are passed over. What cannot be read becomes
``UNSUPPORTED``: its kind is the first word of the text, a caption stands on the lines after it.
"""

from __future__ import annotations

from dataclasses import replace

from telegram import CallbackQuery, Chat, Message, Update
from telegram.ext import filters

from bot.catalogue import Catalogue
from bot.domain import Attachment, Inbound, MessageKind
from bot.replies import PERSON_KEY

NAME = "telegram"
WANTED = ("message", "edited_message", "callback_query")
PERSON_BUTTON = "person"  # callback data of "talk to a person"

# Kinds in the order of looking: an animation is a document as well, a venue a location.
_MEDIA = ("animation", "video", "video_note", "voice", "audio", "sticker")
_TYPES = {"voice": "audio/ogg", "sticker": "image/webp", "audio": "audio/mpeg"}


def read_update(
    update: Update, *, received_at: float, max_file_bytes: int, catalogue: Catalogue
) -> Inbound | None:
    """The message in an update, or None where there is none for us."""
    if update.callback_query is not None:
        return _button(update.callback_query, received_at, catalogue)
    message = update.message or update.edited_message
    if message is None or message.chat.type != Chat.PRIVATE or _is_service(update, message):
        return None
    inbound = _content(_frame(message, received_at), message, max_file_bytes)
    if update.edited_message is None:
        return inbound
    return replace(
        inbound,
        external_id=f"{inbound.external_id}:{update.update_id}",
        edits_external_id=inbound.external_id,
    )


def external_id(chat_id: int, message_id: int) -> str:
    """A message's name: Telegram numbers the messages of each chat anew."""
    return f"{chat_id}:{message_id}"


def message_number(external: str | None) -> int | None:
    """The number in a name made by ``external_id``; None where it is none."""
    tail = (external or "").partition(":")[2].partition(":")[0]
    return int(tail) if tail.isascii() and tail.isdigit() else None


def _is_service(update: Update, message: Message) -> bool:
    """True for news of the messenger itself and for what another bot says."""
    by_bot = message.from_user is not None and message.from_user.is_bot
    return by_bot or bool(filters.StatusUpdate.ALL.check_update(update))


def _frame(message: Message, received_at: float) -> Inbound:
    user, answered = message.from_user, message.reply_to_message
    chat_id = message.chat.id
    return Inbound(
        channel=NAME,
        external_id=external_id(chat_id, message.message_id),
        customer_external_id=str(chat_id),
        customer_name=user.full_name if user else "",
        language=(user.language_code or "") if user else "",
        text=message.text or message.caption or "",
        received_at=received_at,
        reply_to_external_id=external_id(chat_id, answered.message_id) if answered else None,
        metadata={"username": user.username} if user and user.username else {},
    )


def _content(inbound: Inbound, message: Message, max_file_bytes: int) -> Inbound:
    if message.text is not None:
        return inbound
    if message.photo:
        return _photo(inbound, message, max_file_bytes)
    for kind in _MEDIA:
        media = getattr(message, kind)
        if media is not None:
            file = _file(media, kind)
            detail = (media.emoji or "") if kind == "sticker" else ""
            kept = file if file.size_bytes <= max_file_bytes else None
            return replace(_unread(inbound, kind, detail), attachment=kept)
    if message.document is not None:
        file = _file(message.document, "document")
        if file.size_bytes > max_file_bytes:
            return _unread(inbound, "file", file.name)
        return replace(inbound, kind=MessageKind.DOCUMENT, attachment=file)
    return _unread(inbound, *_other(message))


def _photo(inbound: Inbound, message: Message, max_file_bytes: int) -> Inbound:
    sizes = [size for size in message.photo if (size.file_size or 0) <= max_file_bytes]
    if not sizes:
        return _unread(inbound, "file", "photo.jpg")
    best = max(sizes, key=lambda size: size.width * size.height)
    file = Attachment("photo.jpg", "image/jpeg", best.file_size or 0, best.file_id)
    return replace(inbound, kind=MessageKind.PHOTO, attachment=file)


def _file(media: object, kind: str) -> Attachment:
    return Attachment(
        name=getattr(media, "file_name", None) or kind,
        media_type=getattr(media, "mime_type", None)
        or _TYPES.get(kind, "application/octet-stream"),
        size_bytes=getattr(media, "file_size", None) or 0,
        reference=str(getattr(media, "file_id", "")),
    )


def _other(message: Message) -> tuple[str, str]:
    if message.location is not None:
        return "location", f"{message.location.latitude:.5f}, {message.location.longitude:.5f}"
    if message.contact is not None:
        return "contact", f"{message.contact.first_name} {message.contact.phone_number}"
    if message.poll is not None:
        return "poll", message.poll.question
    return "other", ""


def _unread(inbound: Inbound, kind: str, detail: str) -> Inbound:
    first = f"{kind} {' '.join(detail.split())}".strip()
    text = f"{first}\n{inbound.text}" if inbound.text else first
    return replace(inbound, kind=MessageKind.UNSUPPORTED, text=text)


def _button(query: CallbackQuery, received_at: float, catalogue: Catalogue) -> Inbound | None:
    if query.data != PERSON_BUTTON or query.message is None:
        return None
    chat = query.message.chat
    if chat.type != Chat.PRIVATE:
        return None
    language = query.from_user.language_code or ""
    spoken = "ru" if language.startswith("ru") else "en"
    return Inbound(
        channel=NAME,
        external_id=f"callback:{query.id}",
        customer_external_id=str(chat.id),
        customer_name=query.from_user.full_name,
        language=language,
        text=catalogue.text(PERSON_KEY, spoken),
        received_at=received_at,
        wants_person=True,
    )
