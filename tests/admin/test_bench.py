import importlib.util
import json

import pytest

from admin.bench import query
from admin.bench.measuring import cpu_bandwidth, gpu_bandwidth, percentiles
from admin.bench.texts import Source, TextMaker
from admin.cli import run
from bot.bundles import Bundle
from index.ann import choose_device

SOURCES = [
    Source(f"Press button {i}. Then wait {i} minutes. Call us after that.", f"Button {i}", "home",
           "en", (f"where is button {i}", f"the button number {i} is stuck again"))
    for i in range(40)
]  # fmt: skip
needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="FAISS is not installed"
)


@pytest.fixture
def folder(tmp_path):
    answers = [{"id": str(i), "text": s.text, "title": s.title} for i, s in enumerate(SOURCES)]
    questions = [
        {"question": q, "answers": [str(i)], "split": "train"}
        for i, s in enumerate(SOURCES)
        for q in s.questions
    ]
    questions.append({"question": "no button", "answers": ["0"], "split": "test"})
    for name, rows in (("answers", answers), ("questions", questions)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("sizes", ["", "0", "10,x", "-5", "99999999999"])
def test_sizes_that_are_none_are_named(capsys, sizes):
    assert run(["bench", "index", "--n", sizes]) == 2
    assert f"'{sizes}' is not a list" in capsys.readouterr().err


def test_a_folder_that_is_not_there(capsys, tmp_path):
    assert run(["bench", "index", "--n", "10", "--folder", str(tmp_path / "none")]) == 65
    assert "There is no folder" in capsys.readouterr().err


def test_made_articles_are_distinct_of_the_asked_length_and_repeatable():
    made = list(TextMaker(SOURCES).articles(300, past=2))
    assert [item.answer_id for item in made] == list(range(1, 301))
    assert len({item.text for item in made}) == 300
    assert all(60 <= len(item.text.split()) <= 150 for item in made)
    assert all(len(item.questions) == 2 for item in made)
    assert list(TextMaker(SOURCES).articles(300, past=2)) == made
    assert len({w for item in made for w in item.text.split()}) > 300


def test_made_questions_stand_at_no_article():
    maker = TextMaker(SOURCES)
    known = {question for source in SOURCES for question in source.questions}
    assert not known & set(maker.questions(50))


def test_sources_without_questions_and_titles_still_ask():
    maker = TextMaker([Source("One sentence only.", "", "", "", ())])
    assert all(maker.questions(5))
    assert all(item.questions for item in maker.articles(3, words=(2, 9)))


def test_percentiles_are_of_the_calls():
    found = percentiles(lambda number: sum(range(2000 if number == 9 else 10)), 10)
    assert 0 < found["p50"] < found["p99"]
    assert found["cpu_p50"] > 0


def test_bandwidths():
    assert 1e9 < cpu_bandwidth() < 1e12
    assert gpu_bandwidth("NVIDIA H100 80GB HBM3") == 3.35e12
    assert gpu_bandwidth("NVIDIA H100 PCIe") == 2.0e12
    assert gpu_bandwidth("an unknown one") is None


@needs_faiss
def test_the_report_of_the_index(folder, capsys):
    args = ["bench", "index", "--n", "300,5000", "--device", "gpu", "--folder", str(folder)]
    assert run([*args, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"]["texts"] == folder.name
    assert report["data"]["sources"] == 40
    small, large = report["results"]
    assert small["n"] == 300
    assert small["chosen"]["kind"] == "Flat"
    assert large["chosen"]["kind"] == "IVF"
    assert large["chosen"]["lists"] > large["chosen"]["probes"] >= 1
    assert large["chosen"]["recall_at_10"] >= 0.9
    assert large["flat"]["recall_at_10"] >= 0.999
    for figures in (small["chosen"], large["chosen"], large["flat"]):
        assert figures["query_ms"]["p99"] >= figures["query_ms"]["p50"] > 0
        assert figures["limit_share"] > 0
        assert figures["bytes"] > 0
        assert figures["build_cpu_s"] >= 0
    on_gpu = choose_device("gpu").name == "gpu"
    assert ("flat_gpu" in large) == on_gpu
    assert report["machine"]["device"] == ("gpu" if on_gpu else "cpu")
    assert report["machine"]["reason"]


@pytest.mark.gpu
@pytest.mark.skipif(choose_device("gpu").name != "gpu", reason="no GPU that FAISS can use")
def test_the_gpu_gives_the_answers_of_the_cpu(folder, capsys):
    args = ["bench", "index", "--n", "20000", "--device", "gpu", "--folder", str(folder), "--json"]
    assert run(args) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    for name in ("chosen_gpu", "flat_gpu"):
        assert result[name]["device"] == "gpu"
        assert result[name]["recall_against_cpu"] >= 0.999


@needs_faiss
def test_the_table_of_the_index(folder, capsys):
    assert run(["bench", "index", "--n", "60", "--folder", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "recall@10" in shown
    assert "Flat" in shown
    assert folder.name in shown


def test_the_report_of_a_query(folder, capsys):
    assert run(["bench", "query", "--n", "80", "--past", "2", "--folder", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "bytes each" in shown
    assert "2 past questions; trained: " in shown
    assert "encoder, correction" in shown


def test_a_query_without_a_trained_bundle(capsys):
    bundle = Bundle("none", None, None, None)
    report = query.bench(
        SOURCES, [50, 100], past=1, device="cpu", name="buttons", tell=print, bundle=bundle
    )
    assert report["data"]["parts"] == []
    assert [found["n"] for found in report["results"]] == [50, 100]
    for found in report["results"]:
        assert found["query_ms"]["p99"] >= found["query_ms"]["p50"] > 0
        assert found["search_ms"]["cpu_p50"] > 0
        assert "classify_ms" not in found
