"""Everything that reads bytes of others, and bytes to spoil: a program for ``test_hostile_files``.

``mutate FOLDER SEED COUNT NAME...`` reads spoilt forms of good examples; ``guided FOLDER SEED COUNT
NAME`` lets atheris look for bytes that reach other lines. A parser may refuse by the errors that it
promises; anything else, a crash or a hang of the process included, is a finding.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import random
import resource
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

GUIDED = sys.argv[1:2] == ["guided"]
if GUIDED:
    import atheris

    with atheris.instrument_imports(include=[
        "admin.importers", "admin.insights", "aiohttp.multipart", "bot.api.event_body",
        "bot.api.lanes", "bot.channels", "bot.http", "bot.index_files", "bot.multipart",
        "bot.store.backup", "index", "nlp.artifacts",
    ]):  # fmt: skip
        import hostile_targets as targets
else:
    import hostile_targets as targets

SPLICES = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b'"', b"'", b",", b";", b"\t", b"\r",
    b"\r\n\r\n", b"{", b"[", b"}" * 50, b"[" * 500, b'{"a":' * 500, b"9" * 400, b"-1", b"1e999",
    b"NaN", b"null", b"true", b"--x--\r\n", b"--x\r\n", b"Content-Length: 1\r\n",
    b"\xf0\x9f\x98\x80",
    b"\x7f" * 8, b"\x00" * 8, b"\xff" * 8, b"SQLite format 3\x00", b"9223372036854775808", b"%s",
)  # fmt: skip


def spoilt(rng: random.Random, examples: Sequence[bytes]) -> bytes:
    """One of the examples with up to eight changes."""
    data = bytearray(rng.choice(examples))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 2, 8, 64, 1000)))
        what = rng.randrange(8)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at:end]
        elif what == 2:
            data[at:at] = rng.choice(SPLICES)
        elif what == 3:
            data[at:end] = rng.randbytes(end - at)
        elif what == 4:
            data[at:at] = data[at:end] * rng.choice((1, 3, 50))
        elif what == 5:
            other = rng.choice(examples)
            cut = rng.randrange(len(other) + 1)
            data[at:end] = other[cut : cut + rng.choice((1, 20, 300))]
        elif what == 6:
            data[at:end] = rng.choice(SPLICES)
        else:
            del data[at:]
    return bytes(data)


def attempt(parser: targets.Parser, data: bytes) -> str:
    """What came of it: ``read``, ``refused``, or what it must not be."""
    try:
        parser.read(data)
    except parser.refusals:
        return "refused"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        return f"{type(error).__name__}: {error}"[:300]
    return "read"


def mutate(folder: Path, seed: int, count: int, names: Sequence[str]) -> None:
    """Print for each parser how many were read and refused, and the findings."""
    said, at = {}, (folder / "at").open("w")
    for name in names:
        parser = targets.PARSERS[name](folder)
        found = {"read": 0, "refused": 0, "wrong": []}
        rng = random.Random(f"{seed} {name}")
        for data in parser.examples:
            assert attempt(parser, data) == "read", (name, data[:300], attempt(parser, data))
        for number in range(max(1, count // parser.costs)):
            data = spoilt(rng, parser.examples)
            at.seek(0)
            at.write(f"{name} {number}   ")
            at.flush()
            outcome = attempt(parser, data)
            if outcome in ("read", "refused"):
                found[outcome] += 1
            elif len(found["wrong"]) < 5:
                found["wrong"].append([number, outcome, data[:400].decode("latin-1")])
        said[name] = found
    print(json.dumps(said))


def guided(folder: Path, seed: int, count: int, name: str) -> None:
    """Read what atheris draws; a finding ends the process with its traceback."""
    parser = targets.PARSERS[name](folder)
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, example in enumerate(parser.examples):
        (corpus / str(number)).write_bytes(example)

    def read(data: bytes) -> None:
        outcome = attempt(parser, data)
        if outcome not in ("read", "refused"):
            (folder / "found").write_bytes(data)
            raise RuntimeError(outcome)

    options = [f"-runs={max(1, count // parser.costs)}", f"-seed={seed}", "-max_len=20000"]
    artefacts = f"-artifact_prefix={folder}/"
    atheris.Setup([sys.argv[0], *options, "-timeout=60", artefacts, str(corpus)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a length that lies is an error
    mode, where, seed, count, *names = sys.argv[1:]
    if mode == "guided":
        guided(Path(where), int(seed), int(count), *names)
    else:
        mutate(Path(where), int(seed), int(count), names)
