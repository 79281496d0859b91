"""What the store takes and gives beside the words of ``bot.domain``: frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain import Attachment, Author, MessageKind, VerdictRecord


@dataclass(frozen=True, slots=True)
class Reply:
    """One outgoing message as the desk, the bot or the system wants it sent.

    ``hold_s`` is the undo window. ``verdicts`` are stored in the same transaction and vanish with
    an undo; their ``message_id`` is the customer's message. ``message_id`` is the message answered.
    ``seen_message_id`` is the newest message that the author had before them: an answer of somebody
    else after it is a conflict. None asks for no such check.
    """

    text: str
    author: Author
    agent_id: int | None = None
    answer_id: int | None = None
    suggestion_rank: int | None = None
    message_id: int | None = None
    attachment: Attachment | None = None
    idempotency_key: str | None = None
    hold_s: float = 0.0
    verdicts: tuple[VerdictRecord, ...] = ()
    close: bool = False
    kind: MessageKind = MessageKind.TEXT
    language: str = ""
    seen_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """One answer of an import. Rows of equal answers merge; rows of one ``twin_key`` are twins."""

    text: str
    questions: tuple[str, ...] = ()
    title: str = ""
    category: str = ""
    language: str = ""
    twin_key: str = ""
    line: int | None = None  # where it stood in the file, named in conflicts


@dataclass(frozen=True, slots=True)
class ImportDiff:
    """What an import changes or would change, counted in articles; ``duplicates`` in rows."""

    added: int
    changed: int
    unchanged: int
    duplicates: int
    conflicts: tuple[str, ...] = ()
    added_titles: tuple[str, ...] = ()  # the first 50, for the preview
    changed_titles: tuple[str, ...] = ()
    changed_ids: tuple[int, ...] = field(default=(), compare=False)  # empty on a dry run


@dataclass(frozen=True, slots=True)
class ArticleVersion:
    """An earlier form of an article."""

    id: int
    article_id: int
    at: float
    actor: str
    action: str  # created, changed, removed, restored, imported, linked
    title: str
    text: str
    category: str
    language: str
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CannedReply:
    """A snippet agents insert by its short name."""

    id: int
    name: str
    text: str
    language: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """What agents thought of one article. ``shown`` is the sum of all verdicts."""

    accepted: int = 0
    edited: int = 0
    rejected: int = 0
    ignored: int = 0
    shown: int = 0


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of one suggestion that was shown.

    ``message`` is the customer's message by its public id, None once its author was erased;
    ``verdict`` is None while nobody judged.
    """

    id: int
    shown_at: float
    message: str | None
    answer_id: int
    rank: int
    confidence: float
    model_version: str | None
    latency_ms: float | None
    verdict: str | None
    edit_distance: int | None
    agent: str | None  # login
    reason: str
    judged_at: float | None


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A question a person answered with an article: accepted as it was, or edited."""

    question: str
    answer_id: int
    verdict: str
    reply_text: str
    category: str
    language: str
    customer_id: int
    agent_id: int | None
    created_at: float
    message_id: int


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. The token itself is known to the browser alone."""

    id: int
    agent_id: int
    created_at: float
    last_seen_at: float
    expires_at: float  # absolute end
    csrf_token: str
    address: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A machine's right; the secret is shown once, at creation."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None

    def may(self, scope: str) -> bool:
        """True for the scope itself and for ``admin``, which holds all of them."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what. Entries are chained by hash: one changed or taken out is found."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BundleRow:
    """A published model bundle; ``path`` is its folder."""

    version: str
    path: str
    metrics: Mapping[str, Any]
    created_at: float
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A training or batch run. Live while ``finished_at`` is None."""

    id: int
    kind: str
    params: Mapping[str, Any]
    state: str  # queued, running, done, failed, refused, cancelled
    stage: str
    progress: float  # 0..1
    eta_s: float | None
    metrics: Mapping[str, Any]
    reason: str
    created_at: float
    heartbeat_at: float
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class ConversationEvent:
    """One change of a conversation's state or assignee."""

    id: int
    conversation_id: int
    action: str
    from_state: str
    to_state: str
    agent_id: int | None
    at: float


@dataclass(frozen=True, slots=True)
class MessageEdit:
    """A former text of an edited message."""

    message_id: int
    text: str
    replaced_at: float


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Damage found; ``messages`` and ``articles`` are ids of rows whose digest differs."""

    integrity: tuple[str, ...] = ()  # lines of integrity_check, empty when sound
    messages: tuple[int, ...] = ()
    articles: tuple[int, ...] = ()
    audit: int | None = None  # first entry where the audit chain breaks
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """True when nothing was found."""
        return not (self.integrity or self.messages or self.articles or self.audit)


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A verified copy; ``search`` names search tables that were damaged and are anew in it."""

    path: str
    size_bytes: int
    counts: Mapping[str, int]
    created_at: float
    elapsed_s: float
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Canary:
    """A question that must keep its answer, its category or both, whatever is trained."""

    id: int
    question: str
    answer_id: int | None
    category: str
    language: str
    created_at: float
    actor: str


@dataclass(frozen=True, slots=True)
class ShadowScore:
    """What the shadow model would have said to a message, beside the live one.

    Answers are article ids, best first, at most five. A verdict's article is looked up in both.
    """

    message_id: int
    version: str
    champion_version: str
    champion_ids: tuple[int, ...]
    champion_confidence: float
    shadow_ids: tuple[int, ...]
    shadow_confidence: float
    elapsed_ms: float
    created_at: float = 0.0
    question: str = ""
    accepted_id: int | None = None  # what the agent took later; None while nothing
