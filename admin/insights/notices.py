"""What one should know before one believes the figures.

Texts are English; a page says the same in its own words by ``code`` and ``params``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TEXTS = {
    "blank-column": "'{column}' is blank in every row and was left out",
    "constant-column": "'{column}' has one value in every row and was left out",
    "id-column": "'{column}' is different in every row, like a number or a name, and was left out",
    "date-column": "'{column}' holds dates and was left out; give days since or until instead",
    "many-levels": "'{column}' has {levels} different texts and was left out",
    "text-in-number": "'{column}' is a number, but {rows} fields are not (the first on line "
    "{line}: '{text}'); they count as blank",
    "not-finite": "'{column}' has {rows} fields that are NaN or infinite; they count as blank",
    "blanks": "'{column}' is blank in {rows} rows",
    "target-blank": "the target is blank in {rows} rows; they were left out",
    "few-positives": "only {rows} rows of the rarer class: figures are mostly chance",
    "leak": "'{column}' alone gives AUC {auc:.3f}: it is known only after the fact, or it is the "
    "target itself; leave it out with --drop",
    "jump": "'{column}' alone adds {gain:.3f} of AUC over all the others: was it known before the "
    "fact? See what remains with --drop",
    "missing-column": "'{column}' is missing in the file to score; it counts as blank",
    "unseen": "'{column}' has {rows} rows with a value that training has hardly seen ('{text}')",
    "drift": "'{column}' has moved since training (PSI {psi:.2f})",
    "blank-purchase": "{rows} rows without a customer, a date or an amount were left out",
    "future": "{rows} purchases are dated later than today and were left out",
    "zero-amount": "{rows} purchases of 0 count as purchases that brought nothing",
    "refund": "{rows} refunds are taken from what was spent; they are no purchases",
    "large-customer": "customer '{customer}' has spent {times} times as much as the median "
    "customer; what goes beyond the usual does not teach the steps",
    "no-second-opinion": "BG/NBD was left out: {reason}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Notice:
    """What one should know before one believes the figures. ``code`` is stable."""

    code: str
    params: Mapping[str, str | int | float]

    @property
    def text(self) -> str:
        """The notice in English."""
        return _TEXTS[self.code].format(**self.params)

    @property
    def as_json(self) -> dict[str, Any]:
        """``code``, ``text`` and the parameters."""
        return {"code": self.code, "text": self.text, **self.params}
