from functools import partial

import numpy as np
import pytest

from bot.answering import Answerer
from bot.candidates import FEATURES, CandidateIndex
from bot.entries import KnowledgeItem
from bot.learning.questions import Asked
from bot.learning.ranking import LEAST_QUESTIONS, _train_correction, train_ranking
from bot.learning.ranking_encoders import compare
from nlp.correction import Correction
from nlp.encoders import load_encoder

TOPICS = {
    "пароль": ["забыл пароль", "сменить пароль", "пароль не подходит", "восстановить доступ"],
    "возврат": ["вернуть деньги", "возврат заказа", "деньги за товар назад", "отмена оплаты"],
    "доставка": ["где посылка", "когда привезут заказ", "курьер не приехал", "срок доставки"],
    "invoice": ["need an invoice", "send me the bill", "invoice for my company", "tax receipt"],
    "video": ["video does not play", "the film stops", "picture is black", "no sound in a film"],
}
OPENINGS = ["", "здравствуйте ", "hello ", "помогите ", "please ", "срочно "]


def company():
    items = [
        KnowledgeItem(i, f"Ответ про {topic}: сделайте шаг {i}.", title=topic)
        for i, topic in enumerate(TOPICS, start=10)
    ]
    questions = [
        (opening + text, i)
        for i, texts in enumerate(TOPICS.values(), start=10)
        for text in texts
        for opening in OPENINGS
    ]
    return items, questions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    items, questions = company()
    folder = tmp_path_factory.mktemp("bundle")
    stages = []
    metrics = train_ranking(
        items,
        questions,
        folder,
        seed=1,
        threads=1,
        preset="fast",
        progress=lambda stage, share: stages.append((stage, share)),
    )
    return items, questions, folder, metrics, stages


def test_too_few_questions_train_nothing(tmp_path):
    items, questions = company()
    metrics = train_ranking(items, questions[: LEAST_QUESTIONS - 1], tmp_path)
    assert metrics["variant"] == "fixed"
    assert metrics["trained"] is False
    assert list(tmp_path.iterdir()) == []


def test_no_articles_train_nothing(tmp_path):
    assert train_ranking([], company()[1], tmp_path)["trained"] is False


def test_both_folders_are_written_and_load(trained):
    _, _, folder, _, _ = trained
    assert load_encoder(folder / "ranker").dimension > 0
    assert Correction.load(folder / "correction").feature_names == FEATURES


def test_figures_are_shares_and_the_kept_variant_is_the_best(trained):
    metrics = trained[3]
    assert metrics["questions"] == 120
    assert metrics["folds"] == 5
    for name in ("acc_at_1", "recall_at_5", "mrr", "ece"):
        assert 0 <= metrics[name] <= 1
    assert metrics["acc_at_1"] > 0.7

    def score(found):
        return found["acc_at_1"] + found["mrr"]

    variants = metrics["variants"]
    assert score(variants[metrics["variant"]]) >= max(score(v) for v in variants.values()) - 0.011


def test_progress_names_the_stages_in_order(trained):
    stages = trained[4]
    assert list(dict.fromkeys(stage for stage, _ in stages)) == ["folds", "correction", "ranker"]
    assert all(0 <= share <= 1 for _, share in stages)


def test_it_answers_unseen_words_of_a_topic(trained):
    items, questions, folder, _, _ = trained

    class Bundle:
        version = "1"
        classifier = None
        correction = Correction.load(folder / "correction")

    index = CandidateIndex(load_encoder(folder / "ranker"))
    past = {item.answer_id: [] for item in items}
    for text, answer_id in questions:
        past[answer_id].append(text)
    index.put(
        KnowledgeItem(i.answer_id, i.text, title=i.title, questions=tuple(past[i.answer_id]))
        for i in items
    )
    answerer = Answerer(Bundle(), index, 1)
    found = answerer.suggest("добрый день, забыла свой пароль").items
    assert found[0].answer_id == 10
    assert found[0].confidence > 0.5
    assert sum(item.confidence for item in found) <= 1 + 1e-5


def test_the_same_seed_gives_the_same_model(trained, tmp_path):
    items, questions, folder, metrics, _ = trained
    again = train_ranking(items, questions, tmp_path, seed=1, threads=1, preset="fast")
    assert again == metrics
    text = ["забыл пароль"]
    rows = [load_encoder(f / "ranker").encode_questions(text) for f in (folder, tmp_path)]
    assert np.array_equal(*rows)


def test_own_questions_of_articles_stand_in_for_missing_ones(tmp_path):
    items, questions = company()
    own = [
        KnowledgeItem(
            item.answer_id,
            item.text,
            questions=tuple(text for text, i in questions if i == item.answer_id),
        )
        for item in items
    ]
    metrics = train_ranking(own, [], tmp_path, preset="fast")
    assert metrics["trained"] is True
    assert metrics["questions"] == 120


def test_questions_of_unknown_articles_teach_abstention(tmp_path):
    items, questions = company()
    foreign = [(f"какая погода в городе номер {i} сегодня", 999) for i in range(30)]
    metrics = train_ranking(items, questions + foreign, tmp_path, preset="fast")
    assert metrics["questions"] == 150
    assert metrics["acc_at_1"] < 0.85


def test_auto_within_no_time_keeps_the_default_and_says_so(tmp_path):
    metrics = train_ranking(*company(), tmp_path, preset="auto", budget_s=0.0)
    assert metrics["kept"] == "default"
    assert metrics["tried"]["default"].keys() == {"acc_at_1", "mrr", "variant", "cpu_s"}
    assert [name for name, line in metrics["tried"].items() if line == {"reached": False}] == [
        "ff", "seed", "cnn", "rnn",
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["correction", "ranker"]


class Oracle:
    """Knows the topic of a question that shares no word with its answer, or nothing at all."""

    translation = None
    dimension = 5

    def __init__(self, *, wise):
        self._wise = wise

    def encode_questions(self, texts):
        topics = [int(text[-1]) if text[-1:].isdigit() else 5 for text in texts]
        return np.eye(6, 5, dtype=np.float32)[topics] * self._wise

    def encode_answers(self, texts):
        return self.encode_questions(texts)

    def save(self, folder):
        raise NotImplementedError


def test_the_encoder_with_which_the_whole_ranks_best_is_kept(tmp_path):
    items = [KnowledgeItem(number, f"ответ {number}") for number in range(5)]
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("бвгджзклмнпрст"), 9)) for _ in range(60)]
    questions = [(f"{word}{number % 5}", number % 5) for number, word in enumerate(words)]

    def fit(answers, pairs, *, seed, progress=None, wise):
        del answers, pairs, seed, progress
        return Oracle(wise=wise)

    known = {"blind": partial(fit, wise=False), "wise": partial(fit, wise=True)}
    known |= {"late": known["wise"]}
    asked = [Asked(text, frozenset({number})) for text, number in questions]
    kept, figures = compare(
        known,
        lambda fit, place, told: _train_correction(items, asked, fit, place, seed=1, tell=told),
        tmp_path,
        budget_s=600.0,
        tell=lambda stage, share: None,
    )
    scores = {name: line["acc_at_1"] for name, line in figures["tried"].items()}
    assert (kept, figures["kept"], figures["acc_at_1"]) == ("wise", "wise", scores["wise"])
    assert scores["wise"] > scores["blind"] + 0.3
    assert scores["late"] == scores["wise"]
    assert [path.name for path in tmp_path.iterdir()] == ["correction"]
    assert Correction.load(tmp_path / "correction").feature_names == FEATURES
