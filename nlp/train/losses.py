"""Losses of the networks."""

from __future__ import annotations

import torch
from torch.nn import functional


def r_drop(
    first: torch.Tensor,
    second: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    strength: float = 1.0,
) -> torch.Tensor:
    """Cross-entropy of two passes under different dropout, and what keeps the passes alike.

    Shapes: logits (n, k) each, ``target`` (n,), ``weight`` (k,).

    Source: Liang et al., R-Drop: regularized dropout for neural networks, NeurIPS 2021, eq. 4.
    """
    fit = functional.cross_entropy(first, target, weight)
    fit = (fit + functional.cross_entropy(second, target, weight)) / 2
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    apart = functional.kl_div(p, q, log_target=True, reduction="batchmean")
    back = functional.kl_div(q, p, log_target=True, reduction="batchmean")
    return fit + strength * (apart + back) / 4
