"""Text made safe to store, and digests that show damage; length is the channels' matter."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec

from bot.domain import Attachment

# NUL makes SQL's length() and LIKE lie; a lone surrogate cannot be written as UTF-8.
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_HEAD = 200


def clean(text: str) -> str:
    """``text`` with surrogate pairs joined and NUL and lone surrogates replaced by U+FFFD."""
    if not _UNSAFE.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNSAFE.sub("\ufffd", joined)


def fold_yo(text: str) -> str:
    """``text`` as the search tables hold it: one spelling of words with ё."""
    return clean(text).replace("ё", "е").replace("Ё", "Е")


def head(text: str) -> str:
    """The first 200 characters on one line, for lists."""
    return " ".join(text[: _HEAD * 2].split())[:_HEAD]


def digest(*columns: object) -> bytes:
    """SHA-256 over the columns' JSON, so that no two lists of columns look alike."""
    return hashlib.sha256(msgspec.json.encode(columns)).digest()


def message_digest(  # noqa: PLR0917  the table's column order
    public_id: str,
    conversation_id: int,
    author: str,
    kind: str,
    text: str,
    created_at: float,
    attachment: str | None,
) -> bytes:
    """Digest over what of a message never changes, its text included (an edit renews it)."""
    return digest(
        public_id, conversation_id, str(author), str(kind), text, float(created_at), attachment
    )


def article_digest(
    title: str, text: str, category: str, language: str, questions: Sequence[str]
) -> bytes:
    """Digest over an article's content and questions, in any order of the questions."""
    return digest(title, text, category, language, sorted(questions))


def answer_key(text: str) -> bytes:
    """The same for answers that differ only in white space; decides which articles merge."""
    return digest(" ".join(text.split()))


def secret_hash(token: str) -> bytes:
    """What is stored of a token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def dump(value: object) -> str:
    """JSON text of ``value``."""
    return msgspec.json.encode(value).decode()


def dump_attachment(attachment: Attachment | None) -> str | None:
    """JSON text of an attachment with safe text in it, or None."""
    if attachment is None:
        return None
    return dump(
        {
            "name": clean(attachment.name),
            "media_type": clean(attachment.media_type),
            "size_bytes": attachment.size_bytes,
            "reference": clean(attachment.reference),
        }
    )
