"""Every pattern of ours takes a long hostile text in linear time, the way the code applies it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path

import admin.importers
import admin.pages
import bot
import nlp

FLOOR_S = 0.05
PIECES = (
    "a", "1", " ", "й", "_", "-", ".", "a1", "a ", "1:", "aA", "\\u", "%", '"', "\n", "\u0308", "é",
    "bearer ", "neurobot=", "/sign-in/link/", "12345:", "shch", "ёё", "a-", "1.", "<", "{a", "x/",
)  # fmt: skip
METHODS = {"search", "match", "fullmatch", "sub", "findall", "finditer", "split"}
ENDS = ("", "!", "\x00", "\n")


def patterns() -> Iterator[tuple[str, re.Pattern, set[str]]]:
    """Patterns that modules hold, and the methods that their module calls on them."""
    for package in (bot, nlp, admin.pages, admin.importers):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.startswith(("nlp.train", "bot.__main__", "bot.learning.__main__")):
                continue
            module = importlib.import_module(found.name)
            if not module.__file__.endswith(".py"):
                continue  # compiled
            used = _used(Path(module.__file__).read_text("utf-8"))
            for name, value in vars(module).items():
                held = value if isinstance(value, tuple) else (value,)
                held = [one[0] if isinstance(one, tuple) and one else one for one in held]
                for one in held:
                    if isinstance(one, re.Pattern):
                        how = used.get(name, set()) or {"sub"}
                        yield f"{found.name}.{name}", one, how


def _used(source: str) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(ast.Name(name), method) if method in METHODS:
                used.setdefault(name, set()).add(method)
    return used


def apply(pattern: re.Pattern, method: str, text: str | bytes) -> None:
    if method == "sub":
        pattern.sub(text[:0], text)
    elif method in {"findall", "finditer"}:
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, method)(text)


def test_no_pattern_is_slow_on_any_text(sized, record_property) -> None:
    slow, slowest, count, size = [], 0.0, 0, sized(10_000, 100_000, 100_000)
    pieces = PIECES if sized(0, 1, 1) else PIECES[::4]
    for name, pattern, methods in patterns():
        count += 1
        for method in sorted(methods):
            for piece in pieces:
                for end in ENDS if sized(0, 1, 1) else ENDS[1:2]:
                    text: str | bytes = (piece * size)[:size] + end
                    if isinstance(pattern.pattern, bytes):
                        text = text.encode()[:size]
                    took = _cpu_s(pattern, method, text)
                    slowest = max(slowest, took)
                    if took > FLOOR_S:
                        slow.append(f"{name}.{method} on {piece!r}...{end!r}: {took:.2f} s")
    assert count > 25
    assert not slow, "\n".join(slow[:20])
    figure = f"{count} patterns, {size // 1000} KB each way: {slowest * 1000:.0f} ms at most"
    record_property("figure", figure)


def _cpu_s(pattern: re.Pattern, method: str, text: str | bytes) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        apply(pattern, method, text)
        best = min(best, time.process_time() - began)
        if best <= FLOOR_S:
            break
    return best
