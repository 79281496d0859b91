"""A small made-up desk with enough tickets for a frozen slice, and models trained on it once."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.entries import KnowledgeItem
from bot.learning.challenge import train_challenger
from bot.learning.dataset import CategoryRow, Dataset, QuestionRow
from bot.learning.frozen import FrozenSlice, hold_out_frozen

TOPICS = {
    "доставка": ("курьер", "посылка", "трек номер", "пункт выдачи", "срок доставки", "адрес"),
    "возврат": ("вернуть товар", "обмен", "брак", "возврат денег", "не подошёл размер", "чек"),
    "оплата": ("карта", "списали дважды", "рассрочка", "платёж", "счёт для фирмы", "наличные"),
    "вход": ("пароль", "код из смс", "личный кабинет", "логин", "почта", "двухфакторный вход"),
    "скидки": ("промокод", "бонусы", "распродажа", "карта лояльности", "купон", "кешбэк"),
}
FRAMES = (
    "подскажите пожалуйста, {} - что делать", "{} не работает второй день", "у меня вопрос про {}",
    "{}: сколько ещё ждать ответа", "хочу разобраться, где найти {}", "почему пропала {} вчера",
    "{} и никто не отвечает", "опять проблема, {}, уже третий раз за неделю",
    "объясните простыми словами про {}", "скажите, {} бывает по выходным",
)  # fmt: skip


class Trained(NamedTuple):
    """A published bundle with what it learned from."""

    folder: Path
    metrics: dict[str, object]
    data: Dataset
    known: Dataset
    held: FrozenSlice


def tickets(seed: int = 0) -> list[tuple[str, str]]:
    """Text and category of every ticket of the desk."""
    rng = random.Random(seed)
    made = []
    for category, words in TOPICS.items():
        for word, frame in itertools.product(words, FRAMES):
            order = rng.randint(1000, 9999)
            # Some say nothing of what they are about, as everywhere.
            said = word if rng.random() > 0.12 else rng.choice(("это", "всё", "одно дело"))
            made.append((f"{frame.format(said)}, заказ {order}", category))
    rng.shuffle(made)
    return made


def desk(rows: list[tuple[str, str, str]]) -> Dataset:
    """A training set: an article for each category, and tickets as (text, category, source)."""
    numbers = {category: number for number, category in enumerate(TOPICS, 1)}
    items = tuple(
        KnowledgeItem(number, f"Ответ: {', '.join(TOPICS[name])}.", f"Про {name}", name, "ru")
        for name, number in numbers.items()
    )
    knowledge = [CategoryRow(item.text, item.category, "answer", "knowledge") for item in items]
    return Dataset(
        items,
        tuple(QuestionRow(text, numbers[name], source) for text, name, source in rows),
        (*knowledge, *(CategoryRow(text, name, "ticket", source) for text, name, source in rows)),
    )


def honest_rows() -> list[tuple[str, str, str]]:
    """The desk's tickets from four honest sources."""
    return [
        (text, category, f"agent:{place % 4 + 1}")
        for place, (text, category) in enumerate(tickets())
    ]


def train(data: Dataset, artefacts: Path, champion: Path | None = None, **more: object) -> Trained:
    """A quickly trained and judged bundle."""
    version, metrics = train_challenger(
        data, artefacts, seed=0, threads=1, preset="fast", budget_s=60.0, champion=champion,
        progress=lambda stage, share: None, **more,
    )  # fmt: skip
    known, held = hold_out_frozen(data)
    return Trained(artefacts / version, metrics, data, known, held)


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The live model of the desk."""
    return train(desk(honest_rows()), tmp_path_factory.mktemp("champion"))


@pytest.fixture(scope="session")
def make_desk():
    """``desk`` and ``honest_rows`` for tests."""
    return desk, honest_rows


@pytest.fixture(scope="session")
def train_desk():
    """``train`` for tests."""
    return train
