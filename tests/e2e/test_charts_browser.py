"""Charts in a real browser: a threshold by mouse and keyboard, a drawing that goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import expect

from bot import ui
from bot.app import _STATIC
from bot.http import security_headers, static_files
from bot.ui import charts

pytestmark = pytest.mark.browser
PAGE = """{% extends "base.html" %}
{% block styles %}<link rel="stylesheet" href="/static/charts.css">{% endblock %}
{% block scripts %}<script type="module" src="/static/charts.js"></script>{% endblock %}
{% block content %}<h1>Charts</h1>{{ drawn }}{% endblock %}"""


def percent(value: float) -> str:
    return f"{value:.0%}"


@pytest.fixture
async def serve(tmp_path: Path):
    """``await serve(drawing, fragments)`` gives the address of a page that shows the drawing."""
    (tmp_path / "chart.html").write_text(PAGE, "utf-8")
    runners = []

    async def start(drawn, fragments=()) -> str:
        waiting = list(fragments)

        async def page(request: web.Request) -> web.Response:
            return ui.render(request, "chart.html", drawn=drawn)

        async def fragment(request: web.Request) -> web.Response:
            del request
            if not waiting:
                return web.Response(status=204)
            return web.Response(text=waiting.pop(0), content_type="text/html")

        app = web.Application()
        app.on_response_prepare.append(security_headers)
        ui.setup(app, templates=[tmp_path])
        app.router.add_get("/", page)
        app.router.add_get("/fragment", fragment)
        app.router.add_get("/static/{path:.+}", static_files(_STATIC))
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/"

    yield start
    for runner in runners:
        await runner.cleanup()


def threshold():
    steps = [i / 20 for i in range(21)]
    series = [
        charts.Series("precision", [0.6 + 0.4 * x for x in steps]),
        charts.Series("coverage", [1 - x for x in steps]),
    ]
    return charts.threshold_curve(
        "Risk and coverage", steps, series, value=0.5, field="cut", label="Answer from",
        show=percent, target=0.95, summary="Numbers",
    )  # fmt: skip


async def test_a_threshold_moves_by_keyboard_and_by_mouse(serve, watch) -> None:
    url = await serve(threshold())
    context = await watch(viewport={"width": 900, "height": 700})
    page = await context.page(url)
    await page.goto(url)
    slider = page.get_by_role("slider", name="Answer from")
    facts = page.locator("[data-value]")
    await expect(facts).to_have_text(["80%", "50%"])
    await slider.focus()
    await page.keyboard.press("End")
    await expect(facts).to_have_text(["100%", "0%"])
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("output")).to_have_text("100%")
    assert await slider.get_attribute("aria-valuetext") == "100%, 100%, 0%"
    line = page.locator("[data-line]")
    right = float(await line.get_attribute("x1"))
    box = await page.locator("svg[role=img]").bounding_box()
    await page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40, steps=4)
    await page.mouse.up()
    assert float(await line.get_attribute("x1")) < right / 2
    assert 0.15 < float(await slider.input_value()) < 0.3
    await expect(facts.nth(1)).to_have_text("75%")


async def test_without_scripts_the_slider_and_the_table_stand(serve, watch) -> None:
    url = await serve(threshold())
    context = await watch(java_script_enabled=False)
    page = await context.page(url)
    await page.goto(url)
    await expect(page.get_by_role("slider", name="Answer from")).to_have_value("0.5")
    await page.get_by_text("Numbers").click()
    await expect(page.get_by_role("rowheader", name="55%")).to_be_visible()


async def test_a_live_chart_goes_on_and_keeps_its_table_open(serve, watch) -> None:
    def loss(*values: float):
        labels = [str(i + 1) for i in range(len(values))]
        return charts.line("Loss", labels, [charts.Series("train", values)], summary="Numbers")

    drawn = charts.live(loss(0.9, 0.5), "/fragment", every_s=0.3)
    url = await serve(drawn, [str(loss(0.9, 0.5, 0.4)), str(loss(0.9, 0.5, 0.4, 0.3))])
    context = await watch()
    page = await context.page(url)
    await page.goto(url)
    await page.evaluate(
        "addEventListener('chart-ended', () => document.body.dataset.ended = 'yes')"
    )
    await page.get_by_text("Numbers").click()
    await expect(page.locator("tbody tr")).to_have_count(4)
    await expect(page.get_by_role("rowheader", name="4")).to_be_visible()
    assert await page.evaluate("document.activeElement.textContent") == "Numbers"
    await expect(page.locator("body[data-ended=yes]")).to_have_count(1)
