"""One training loop for every network: steps, a schedule, progress.

Steps, not epochs, because a small desk has few batches in an epoch and a large one needs no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

Progress = Callable[[str, float], None]
"""Told a stage and its share done, 0..1."""

Losses = Callable[[float, float], None]
"""Told the share of a fit's steps done, 0..1, and the loss there."""
_LOSSES: Final[ContextVar[Losses | None]] = ContextVar("losses", default=None)


@contextmanager
def losses_told_to(listener: Losses) -> Iterator[None]:
    """Within, every fit tells ``listener`` its loss about 20 times.

    A fit is begun at share 0. A context, because fits lie deep within what is chosen and compared.
    """
    token = _LOSSES.set(listener)
    try:
        yield
    finally:
        _LOSSES.reset(token)


def tell_loss(step: int, steps: int, loss: torch.Tensor) -> None:
    """Tell who listens the loss of a step, if it is one of about 20."""
    listener = _LOSSES.get()
    if listener is not None and (step % max(1, steps // 20) == 0 or step + 1 == steps):
        listener(step / steps, float(loss.detach()))


def use_threads(count: int) -> None:
    """Let torch use ``count`` threads in this process, at least one."""
    torch.set_num_threads(max(count, 1))


def silent(stage: str, share: float) -> None:
    """A ``Progress`` that says nothing."""
    del stage, share


def batches(n_rows: int, size: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of one batch after another, for ever; each pass has a new order."""
    generator = np.random.default_rng(seed)
    size = min(size, n_rows)
    while True:
        order = generator.permutation(n_rows)
        # A remainder smaller than half a batch waits for the next pass.
        for start in range(0, n_rows - size // 2, size):
            yield order[start : start + size]


def run_steps(
    model: torch.nn.Module,
    loss_of: Callable[[NDArray[np.int64]], torch.Tensor],
    n_rows: int,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    one_cycle: bool = True,
    seed: int = 0,
    report: Callable[[float], None] | None = None,
) -> float:
    """Train in place and give the mean loss of the last tenth of the steps.

    Args:
        model: its parameters are optimised with AdamW.
        loss_of: scalar loss of the rows with these numbers.
        n_rows: rows to draw from.
        batch: rows a step.
        steps: optimiser steps, at least 1.
        learning_rate: peak of the one-cycle schedule, or the constant rate.
        weight_decay: decoupled.
        one_cycle: warm up over 10 % of the steps and then anneal to nothing.
        seed: order of the rows.
        report: told the share of steps done, about 20 times.

    Source: Loshchilov and Hutter, Decoupled weight decay, ICLR 2019; Smith and Topin,
    Super-convergence, 2018.
    """
    # Fused: one pass over the tables, which are most of the work of a step on a CPU.
    values = model.parameters()
    optimiser = torch.optim.AdamW(values, lr=learning_rate, weight_decay=weight_decay, fused=True)
    schedule = _one_cycle(optimiser, learning_rate, steps) if one_cycle and steps > 1 else None
    model.train()
    tail, every = list[float](), max(1, steps // 20)
    for step, rows in zip(range(steps), batches(n_rows, batch, seed=seed), strict=False):
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if schedule is not None:
            schedule.step()
        tell_loss(step, steps, loss)
        if step >= steps - max(1, steps // 10):
            tail.append(float(loss.detach()))
        if report is not None and step % every == 0:
            report(step / steps)
    model.eval()
    return float(np.mean(tail))


def _one_cycle(
    optimiser: torch.optim.Optimizer, peak: float, steps: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=peak, total_steps=steps, pct_start=0.1
    )
