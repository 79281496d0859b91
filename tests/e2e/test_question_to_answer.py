"""The whole loop in a real browser, in Russian and in English: a customer asks in the widget, an
agent answers by keyboard alone, the customer reads it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Words:
    """One language of the scene."""

    locale: str
    knowledge: str
    question: str
    answer: str
    widget_input: str
    widget_send: str


SCENES = {
    "ru": Words(
        "ru-RU",
        "question,answer,category\n"
        "Как сменить пароль?,Откройте «Профиль» и нажмите «Сменить пароль».,доступ\n"
        "Когда придёт заказ?,Курьер приедет в день доставки с 10 до 18 часов.,доставка\n",
        "подскажите, как мне сменить пароль",
        "Откройте «Профиль» и нажмите «Сменить пароль».",
        "Ваш вопрос",
        "Отправить",
    ),
    "en": Words(
        "en-GB",
        "question,answer,category\n"
        "How do I change my password?,Open Profile and press Change password.,access\n"
        "When will my order arrive?,The courier comes from 10 to 18.,delivery\n",
        "how can I change the password please",
        "Open Profile and press Change password.",
        "Your question",
        "Send",
    ),
}


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_customer_asks_agent_answers_by_keyboard_customer_reads(
    language: str, server: object, watch: Callable[..., Awaitable[object]], tmp_path: Path
) -> None:
    words = SCENES[language]
    table = tmp_path / "kb.csv"
    table.write_text(words.knowledge, encoding="utf-8")
    imported = subprocess.run(
        [
            sys.executable,
            "-m",
            "admin",
            "--data-dir",
            str(tmp_path / "data"),
            "import",
            "knowledge",
            str(table),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr

    link = await server.printed(r"(https?://\S+/sign-in/link/\S+)")
    desk_side = await watch(locale=words.locale, viewport={"width": 1280, "height": 800})
    agent = await desk_side.page(server.url)
    await agent.goto(link)
    await expect(agent.locator("button:focus")).to_be_visible()
    await agent.keyboard.press("Enter")  # the one button of the page has the focus
    await agent.wait_for_url(lambda url: "/sign-in" not in url)
    await agent.goto(f"{server.url}/desk?view=all")

    chat_side = await watch(locale=words.locale, viewport={"width": 360, "height": 740})
    customer = await chat_side.page(server.url)
    await customer.goto(f"{server.url}/chat")
    await customer.get_by_label(words.widget_input).fill(words.question)
    await customer.keyboard.press("Enter")
    await expect(customer.locator(".line.customer p").first).to_have_text(words.question)

    # From here the agent's mouse stays still.
    await expect(agent.get_by_text(words.question).first).to_be_visible()
    await agent.keyboard.press("KeyJ")
    await expect(agent.locator("[data-suggestion]").first).to_contain_text(words.answer)
    await agent.keyboard.press("Digit1")
    composer = agent.locator("[data-composer] textarea")
    await expect(composer).to_have_value(words.answer)
    await agent.keyboard.press("Control+Enter")
    await expect(composer).to_have_value("")

    await expect(customer.locator(".line.agent p")).to_have_text(words.answer)
    await customer.reload()
    await expect(customer.locator(".line.agent p")).to_have_count(1)
    await expect(customer.locator(".line.customer p")).to_have_count(1)
