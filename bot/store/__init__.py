"""The database: the only room that knows SQLite."""

from bot.store.backup import restore
from bot.store.records import ArticleRow, ImportDiff, Reply
from bot.store.settling import HeldConversation
from bot.store.store import Store

__all__ = ["ArticleRow", "HeldConversation", "ImportDiff", "Reply", "Store", "restore"]
