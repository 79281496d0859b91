"""However a command is called, it ends with its exit code, a remedy, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin.cli import run
from bot.store.lock import DatabaseLock

GOOD = "question,answer,category\nHow do I pay?,By card.,Billing\n"
BAD = "question,answer\nHow do I pay?,By card.\n,Nothing asked\n"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "data")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(arguments)
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    return code, said.out, said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("import",),
        ("import", "knowledge"),
        ("import", "knowledge", "a.csv", "--lang", "de"),
        ("serve", "--port", "70000"),
        ("users", "role", "anna", "king"),
        ("evaluate", "replay"),
        ("models", "promote"),
    ],
)
def test_usage(arguments: tuple[str, ...], data: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "--data-dir", data, *arguments)
    assert code == 2
    assert not out or arguments == ("import",)
    assert err or out


def test_unknown_setting_is_named_with_the_nearest(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("neurobot.toml").write_text("[http]\nprot = 80\n")
    code, out, err = call(capsys, "--data-dir", data, "users", "list")
    assert code == 78
    assert not out
    assert "http.prot" in err
    assert "http.port" in err


def test_missing_settings_file(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--config", "none.toml", "--data-dir", data, "users", "list")[0] == 78


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no file"),
        (b"", "empty"),
        (b"question\nx\n", "'answer'"),
        (GOOD.encode("utf-16"), "UTF-16"),
        ("question,answer\nгде,там и сям\n".encode("koi8-r"), "byte 0x"),
        (BAD.encode(), "line 3: 'question' is empty"),
        (b'question,answer\na,"b\n', "line 2"),
    ],
)
def test_bad_files_write_nothing(
    content: bytes | None, words: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("kb.csv").write_bytes(content)
    code, out, err = call(capsys, "--data-dir", data, "import", "knowledge", "kb.csv")
    assert code == 65
    assert not out
    assert err.startswith("error: ")
    assert words in err
    assert not Path(data).exists()


def test_folder_and_unreadable(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder.csv").mkdir()
    assert call(capsys, "--data-dir", data, "import", "knowledge", "folder.csv")[0] == 65
    assert call(capsys, "--data-dir", data, "import", "tickets", "folder.csv")[0] == 65


def test_errors_as_json(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("kb.csv").write_text(BAD)
    code, out, err = call(capsys, "--data-dir", data, "import", "knowledge", "kb.csv", "--json")
    assert code == 65
    assert not out
    error = json.loads(err)["error"]
    assert error["code"] == "bad-data"
    assert "--partial" in error["hint"]


def test_data_folder_that_is_a_file(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(data).write_text("not a folder")
    Path("kb.csv").write_text(GOOD)
    code, _, err = call(capsys, "--data-dir", data, "import", "knowledge", "kb.csv")
    assert code == 73
    assert "error: " in err


def test_second_server(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(data).mkdir()
    Path("kb.csv").write_text(GOOD)
    lock = DatabaseLock(Path(data) / "neurobot.db")
    try:
        for command in (("serve", "--port", "0"), ("import", "knowledge", "kb.csv")):
            code, _, err = call(capsys, "--data-dir", data, *command)
            assert code == 75
            assert "in use" in err
    finally:
        lock.release()


def test_plain_http_for_other_machines_is_refused(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "--data-dir", data, "serve", "--host", "0.0.0.0", "--port", "0")
    assert code == 78
    assert "http.tls_cert" in err


def test_models_without_any(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--data-dir", data, "models", "rollback")[0] == 1
    assert call(capsys, "--data-dir", data, "models", "promote", "x")[0] == 1
    assert call(capsys, "--data-dir", data, "models", "show")[0] == 1
    assert call(capsys, "--data-dir", data, "models", "list")[0] == 0


def test_users_errors(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--data-dir", data, "users", "link", "nobody")[0] == 1
    assert call(capsys, "--data-dir", data, "users", "add", "anna", "--role", "owner")[0] == 0
    assert call(capsys, "--data-dir", data, "users", "add", "anna")[0] == 1
    code, _, err = call(capsys, "--data-dir", data, "users", "disable", "anna")
    assert code == 1
    assert "owner" in err
    assert call(capsys, "--data-dir", data, "users", "role", "anna", "agent")[0] == 1


def test_backup_and_restore_errors(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--data-dir", data, "backup", "b.db")[0] == 1
    assert call(capsys, "--data-dir", data, "restore", "none.db", "--yes")[0] == 65
    Path("junk.db").write_bytes(b"not a database" * 100)
    assert call(capsys, "--data-dir", data, "restore", "junk.db", "--yes")[0] == 65


def test_training_without_data(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--data-dir", data, "train")
    assert code == 1
    assert "failed" in out


def test_doctor_finds_a_damaged_model_and_database(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "--data-dir", data, "users", "list")
    assert call(capsys, "--data-dir", data, "doctor")[0] == 0
    model = Path(data) / "artefacts" / "20260101-000000-abcd"
    model.mkdir(parents=True)
    (model / "bundle.json").write_text("{}")
    code, out, _ = call(capsys, "--data-dir", data, "doctor")
    assert code == 3
    assert model.name in out
    (Path(data) / "neurobot.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    code, out, _ = call(capsys, "--data-dir", data, "doctor", "--json")
    assert code == 3
    states = {check["check"]: check["state"] for check in json.loads(out)["checks"]}
    assert states["database"] == "bad"


def test_demo_leaves_other_folders_alone(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(data).mkdir()
    (Path(data) / "mine.txt").write_text("mine")
    code, _, err = call(capsys, "--data-dir", data, "demo", "--no-browser")
    assert code == 65
    assert "other data" in err
    assert [path.name for path in Path(data).iterdir()] == ["mine.txt"]
