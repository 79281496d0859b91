"""Telling other programs what happened: signed, retried from the stored queue, replayable."""

from bot.webhooks.guard import checked_url, networks
from bot.webhooks.sender import MAX_ATTEMPTS, Sender

__all__ = ["MAX_ATTEMPTS", "Sender", "checked_url", "networks"]
