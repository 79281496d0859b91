"""What to offer whom: items by their tags, people by what they looked at."""

from bot.recommending.offering import Offer, Reason
from bot.recommending.recommending import Recommending

__all__ = ["Offer", "Reason", "Recommending"]
