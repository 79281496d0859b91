"""A simulated team works through a small folder: the curve, the trainings, what is worse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin.cli import run
from admin.evaluate.team import summary, worse_p

TOPICS = {
    "card": ("A new card is ordered in the app under Cards.",
             ["order a new card", "my card is lost", "how do I replace the card", "card expired"]),
    "login": ("Choose another password on the page of signing in.",
              ["forgot my password", "cannot sign in", "change the password", "reset password"]),
    "ship": ("Parcels arrive within three days by courier.",
             ["where is my parcel", "parcel is late", "how long is delivery", "no parcel yet"]),
    "refund": ("Money is returned within two weeks after we get the goods.",
               ["I want my money back", "refund of goods", "when is money returned", "refund"]),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    answers = [{"id": name, "text": text, "category": name} for name, (text, _) in TOPICS.items()]
    questions = [
        {"question": text, "answers": [name], "fold": (place + 1) % 4}
        for name, (_, asked) in TOPICS.items()
        for place, text in enumerate(asked)
    ]
    for name, rows in (("answers", answers), ("questions", questions)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_a_team_teaches_with_and_without_training(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--most", "8", "--retrain", "8", "--error", "0", "--preset", "fast", "--json"]
    assert run(["evaluate", "team", str(folder), *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"] == {"answers": 4}
    never, trained = report["runs"]
    assert (never["fold"], never["test"]) == (0, 4)
    assert (never["retrain"], never["trainings"]) == (0, [])
    assert [point["verdicts"] for point in never["curve"]] == list(range(9))
    assert never["curve"][-1]["past"] == 2.0
    assert never["curve"][-1]["model"] is None
    assert never["curve"][-1]["hit_at_1"] >= never["curve"][0]["hit_at_1"]
    (training,) = trained["trainings"]
    assert training["state"] in ("done", "refused"), training["reason"]
    assert (training["verdicts"], len(trained["curve"])) == (8, 3)
    assert report["summary"]["trainings"] == 1
    assert report["summary"]["promoted"] == (training["state"] == "done")


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "team", str(tmp_path / "none")]) == 65
    assert "There is no folder" in capsys.readouterr().err


def test_what_counts_as_worse() -> None:
    assert worse_p([True] * 5, [True] * 5) == 1.0
    assert worse_p([True] * 5 + [False], [False] * 5 + [False]) == pytest.approx(1 / 32)
    assert worse_p([True, False], [False, True]) == pytest.approx(3 / 4)
    curve = [{"hit_at_1": 0.5}]
    trainings = [
        {"state": "done", "worse_p": 0.01},
        {"state": "done", "worse_p": 0.5},
        {"state": "refused", "worse_p": 0.001},
    ]
    found = summary([{"trainings": trainings, "curve": curve}])
    assert (found["trainings"], found["promoted"], found["worse"]) == (3, 2, 1)
    assert (found["least_p"], found["last_hit_at_1"]) == (0.01, 0.5)
