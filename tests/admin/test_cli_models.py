"""``neurobot models`` and ``neurobot train`` on a real data folder without a server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from admin.cli import run
from bot.learning import gate
from bot.learning.gate import Ruling
from bot.settings import Settings
from bot.store import Store


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "data")


def call(capsys: pytest.CaptureFixture[str], data: str, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(["--data-dir", data, *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def in_store(data: str, work) -> None:
    async def act() -> None:
        store = Store.open(Settings(data_dir=data))
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(act())


def test_canaries_from_the_command_line_and_a_file(data, capsys):
    in_store(data, lambda store: store.knowledge.save(text="Вернём деньги.", questions=["возврат"]))
    code, out, _ = call(
        capsys, data, "models", "canaries", "add", "как вернуть", "--answer", "1", "--json"
    )
    assert code == 0
    assert json.loads(out)["canaries"][0]["answer_id"] == 1
    line = json.dumps({"question": "где посылка", "category": "доставка"}, ensure_ascii=False)
    Path("set.jsonl").write_text(f"{line}\n\n", encoding="utf-8")
    assert call(capsys, data, "models", "canaries", "add", "--file", "set.jsonl")[0] == 0
    _, out, _ = call(capsys, data, "models", "canaries", "list")
    assert "как вернуть" in out
    assert "доставка" in out
    assert call(capsys, data, "models", "canaries", "remove", "1")[0] == 0
    assert call(capsys, data, "models", "canaries", "remove", "1")[0] == 1
    _, out, _ = call(capsys, data, "models", "canaries", "list", "--json")
    assert [one["question"] for one in json.loads(out)["canaries"]] == ["где посылка"]


@pytest.mark.parametrize(
    ("text", "place"),
    [("{", "line 1"), ('{"question": "a", "answer": 1}', "line 1"), ("\n[1]", "line 2")],
)
def test_a_bad_set_names_the_line(data, capsys, text, place):
    Path("set.jsonl").write_text(text, encoding="utf-8")
    code, _, err = call(capsys, data, "models", "canaries", "add", "--file", "set.jsonl")
    assert code == 65
    assert place in err


def test_a_canary_needs_a_question_and_something_to_keep(data, capsys):
    assert call(capsys, data, "models", "canaries", "add")[0] == 2
    assert call(capsys, data, "models", "canaries", "add", "q", "--file", "x.jsonl")[0] == 2
    assert call(capsys, data, "models", "canaries", "add", "q")[0] == 65
    assert call(capsys, data, "models", "canaries", "add", "q", "--answer", "9")[0] == 1


def test_a_refused_model_says_why(data, capsys):
    ruling = Ruling((gate.check_leak(["a"]), gate.check_size(1, None)))
    metrics = {"ruling": ruling.as_metrics(), "classifier": {"accuracy": 0.9, "confusions": [[]]}}
    in_store(data, lambda store: store.models.add_bundle("v1", "/models/v1", metrics))
    _, out, _ = call(capsys, data, "models", "show", "v1")
    assert "FAILED: Frozen questions were trained on (1)" in out
    assert "passed: It takes" in out
    assert "classifier.accuracy: 0.9" in out
    assert "confusions" not in out
    code, _, err = call(capsys, data, "models", "promote", "v1")
    assert code == 1
    assert "Frozen questions" in err
    # There are no files: force does not help.
    code, _, err = call(capsys, data, "models", "promote", "v1", "--force")
    assert code == 65
    assert "damaged" in err


def test_the_shadow_from_the_command_line(data, capsys):
    assert call(capsys, data, "models", "shadow", "v9")[0] == 1
    code, out, _ = call(capsys, data, "models", "shadow")
    assert (code, out.strip()) == (0, "No model is in the shadow.")
    assert call(capsys, data, "models", "shadow", "off")[0] == 0


def test_only_known_parts_are_trained(data, capsys):
    code, _, err = call(capsys, data, "train", "half")
    assert code == 2
    assert "classifier" in err
