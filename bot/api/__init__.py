"""The REST API, health and metrics: ``ROUTES`` is everything another program may call."""

from __future__ import annotations

from bot.api.conversations import ROUTES as CONVERSATIONS
from bot.api.customers import ROUTES as CUSTOMERS
from bot.api.events import ROUTES as EVENTS
from bot.api.health import ROUTES as HEALTH
from bot.api.jobs import ROUTES as JOBS
from bot.api.ledger import ROUTES as LEDGER
from bot.api.messages import ROUTES as MESSAGES
from bot.api.metrics import ROUTES as METRICS
from bot.api.models import ROUTES as MODELS
from bot.api.recommendations import ROUTES as RECOMMENDATIONS
from bot.api.schema import ROUTES as SCHEMA
from bot.api.verdicts import ROUTES as VERDICTS

ROUTES = (
    *MESSAGES,
    *CONVERSATIONS,
    *VERDICTS,
    *LEDGER,
    *CUSTOMERS,
    *EVENTS,
    *RECOMMENDATIONS,
    *JOBS,
    *MODELS,
    *HEALTH,
    *METRICS,
    *SCHEMA,
)

__all__ = ["ROUTES"]
