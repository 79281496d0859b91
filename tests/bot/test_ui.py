"""Pages, formats, charts, and the catalogue held against its users."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from markupsafe import Markup

from bot import ui
from bot.catalogue import FOLDER, Catalogue
from bot.domain import Agent, Page, Reasons, Role, Suggestion
from bot.ui import charts
from bot.ui.formats import NBSP, Formats

ROOT = Path(__file__).resolve().parents[2]
# Keys of these files are used by pages that are drawn by templates, scripts and handlers.
OWN_FILES = ("ui.toml", "desk.toml")
NOW = 1_790_000_000.0
AGENT = Agent(1, "masha", "Маша <b>", Role.AGENT, "ru", NOW)


# ---------- catalogue ----------


def _sources() -> Iterator[tuple[Path, str]]:
    for folder in ("bot", "admin"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".html", ".js"}:
                yield path, path.read_text(encoding="utf-8")


def _keys_named() -> tuple[dict[str, str], set[str]]:
    """Whole keys by the file that names them, and beginnings that are completed at run time."""
    whole: dict[str, str] = {}
    beginnings: set[str] = set()
    key = r"[a-z]+(?:\.[a-z0-9-]+)+"
    for path, text in _sources():
        if path.suffix == ".js":
            continue
        for name in re.findall(rf"""["']({key})["']""", text):
            whole[name] = path.name
        beginnings.update(re.findall(r"""f?["']((?:ui|desk)\.(?:[a-z-]+[.-])*)(?:["']|\{)""", text))
    return whole, {name for name in beginnings if name.count(".") > 1 or name.endswith("-")}


def _own_keys() -> set[str]:
    return {key for name in OWN_FILES for key in tomllib.loads((FOLDER / name).read_text("utf-8"))}


def test_every_key_that_a_page_names_exists() -> None:
    known = set(Catalogue.load().keys())
    whole, _ = _keys_named()
    named = {key for key in whole if key.startswith(("ui.", "desk."))}
    files = {path.name for path, _ in _sources()}
    missing = {
        key for key in named - known if key not in files and not key.endswith((".html", ".js"))
    }
    assert not missing


def test_every_text_is_used() -> None:
    whole, beginnings = _keys_named()
    scripts = "".join(text for path, text in _sources() if path.suffix == ".js")
    unused = []
    for key in _own_keys():
        section = next((s for s in ("ui.js.", "desk.js.") if key.startswith(s)), None)
        if section:
            short = key.removeprefix(section)
            group = short.rpartition(".")[0]
            used = f'["{short}"]' in scripts or f".{short}" in scripts or f'"{short}"' in scripts
            used = used or (bool(group) and f"`{group}.$" in scripts)
        else:
            used = key in whole or any(key.startswith(name) for name in beginnings)
        if not used:
            unused.append(key)
    assert not unused


def test_scripts_name_only_texts_that_exist() -> None:
    catalogue = Catalogue.load()
    desk = set(catalogue.section("desk.js", "en"))
    for path in sorted((ROOT / "bot/static").glob("desk*.js")):
        text = path.read_text("utf-8")
        named = set(re.findall(r'\btexts\["([a-z.-]+)"\]', text)) | set(
            re.findall(r"\btexts\.([a-z]+)\b", text)
        )
        assert named <= desk, path.name
    text = (ROOT / "bot/static/ui.js").read_text("utf-8")
    named = set(re.findall(r'\bstrings\["([a-z.-]+)"\]', text)) | set(
        re.findall(r"\bstrings\.([a-z]+)\b", text)
    )
    assert named - {"units"} <= set(catalogue.section("ui.js", "en"))


def test_no_inline_styles_or_scripts() -> None:
    """The content policy refuses them, so a template that has one is broken."""
    for path, text in _sources():
        if path.suffix == ".html":
            assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*\bsrc=)", text), path.name


# ---------- formats ----------


@pytest.mark.parametrize(
    ("language", "number", "percent", "size", "ago"),
    [
        ("en", "1,234,567.5", "91%", f"1.5{NBSP}KB", f"5{NBSP}min ago"),
        (
            "ru",
            f"1{NBSP}234{NBSP}567,5",
            f"91{NBSP}%",
            f"1,5{NBSP}КБ",
            f"5{NBSP}мин назад",
        ),
    ],
)
def test_formats_follow_the_language(
    language: str, number: str, percent: str, size: str, ago: str
) -> None:
    formats = Formats(language, UTC)
    assert formats.number(1234567.5, 1) == number
    assert formats.percent(0.912) == percent
    assert formats.size(1536) == size
    assert formats.ago(NOW - 320, NOW) == ago


def test_times_follow_the_time_zone() -> None:
    at = 1_790_024_400.0  # 2026-09-21 21:00 UTC
    moscow, utc = Formats("en", ZoneInfo("Europe/Moscow")), Formats("en", UTC)
    assert (utc.clock(at), moscow.clock(at)) == ("21:00", "00:00")
    assert utc.day_distance(at, at + 3600) == 0
    assert moscow.day_distance(at - 60, at) == 1
    assert "21:00:00 UTC" in utc.exact(at)


def test_old_times_become_dates() -> None:
    formats = Formats("ru", UTC)
    assert formats.ago(NOW, NOW) == "только что"
    assert formats.ago(NOW - 30 * 86400, NOW).endswith("авг")
    assert formats.ago(NOW - 400 * 86400, NOW).endswith("2025")


# ---------- charts ----------


def test_charts_escape_and_carry_a_table() -> None:
    drawn = charts.line("<b>", ["a", "b"], [charts.Series("<i>", [1.0, None])])
    assert isinstance(drawn, Markup)
    assert "<b>" not in drawn
    assert "&lt;i&gt;" in drawn
    assert "<table" in drawn
    assert "style=" not in drawn


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [-2.0, 3.0], [1e-9, 2e-9], [1e9, 3e9]])
def test_charts_draw_any_numbers(values: list[float]) -> None:
    labels = [str(i) for i in range(len(values))]
    series = [charts.Series("x", values), charts.Series("y", values)]
    for drawn in (
        charts.line("t", labels, series),
        charts.bar("t", labels, series),
        charts.curve("t", list(enumerate(values)), names=("a", "b"), threshold=0.5, diagonal=True),
    ):
        assert "nan" not in drawn
        assert "<svg" in drawn


def test_ticks_cover_the_range() -> None:
    for low, high in ((0, 1), (0, 97), (-3, 12), (0.2, 0.24), (5, 5)):
        marks = charts.ticks(low, high)
        assert marks[0] <= low
        assert marks[-1] >= high
        assert 2 <= len(marks) <= 8


def test_matrix_tints_by_share_of_the_row() -> None:
    drawn = charts.matrix("m", ["a"], ["a", "b"], [[9, 1]], show=str)
    assert "tint-9" in drawn
    assert "tint-1" in drawn


# ---------- pages ----------


async def _client(
    handler, agent: Agent | None = AGENT, templates: Path | None = None
) -> TestClient:
    app = web.Application()
    ui.setup(
        app,
        who=lambda request: (agent, "token"),
        templates=[templates] if templates else [],
        navigation=[ui.NavigationItem("ui.account", "/admin", Role.ADMIN)],
        clock=lambda: NOW,
    )
    app.router.add_get("/{path:.*}", handler)
    client = TestClient(TestServer(app))
    await client.start_server()
    return client


async def _page(folder: Path, body: str, *, agent: Agent | None = AGENT, **options: object) -> str:
    (folder / "page.html").write_text(
        '{% extends "base.html" %}{% import "components.html" as ui %}{% block content %}'
        + body
        + "{% endblock %}",
        "utf-8",
    )

    async def handler(request: web.Request) -> web.Response:
        return ui.render(request, "page.html", **context)

    context = options.pop("context", {})
    client = await _client(handler, agent, folder)
    try:
        response = await client.get("/desk", **options)
        assert response.status == 200
        return await response.text()
    finally:
        await client.close()


async def test_page_escapes_and_knows_its_viewer(tmp_path: Path) -> None:
    text = await _page(tmp_path, "{{ value }}", context={"value": "<script>"})
    assert "&lt;script&gt;" in text
    assert "Маша &lt;b&gt;" in text
    assert '<html lang="ru"' in text
    assert 'content="token"' in text
    assert 'href="/desk" aria-current="page"' in text
    assert 'href="/admin"' not in text  # an agent may not open it


async def test_visitors_see_no_navigation(tmp_path: Path) -> None:
    text = await _page(tmp_path, "x", agent=None, headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert '<html lang="en"' in text
    assert "<nav" not in text


async def test_cookies_choose_language_theme_and_zone(tmp_path: Path) -> None:
    cookies = {"lang": "en", "theme": "dark", "tz": "Europe/Moscow"}
    text = await _page(tmp_path, "{{ clock(1790024400) }}", cookies=cookies)
    assert '<html lang="en" data-theme="dark"' in text
    assert "00:00" in text


@pytest.mark.parametrize("zone", ["../../etc/passwd", "No/Where", "a" * 300, "<b>"])
async def test_bad_cookies_do_no_harm(tmp_path: Path, zone: str) -> None:
    cookies = {"lang": "xx", "theme": '"><b>', "tz": zone}
    text = await _page(tmp_path, "{{ clock(1790024400) }}", cookies=cookies)
    assert "21:00" in text
    assert "data-theme" not in text


async def test_every_component_draws(tmp_path: Path) -> None:
    suggestion = Suggestion(1, "t", "", "", "ru", 0.914, True, Reasons())
    unsure = Suggestion(1, "t", "", "", "ru", 0.114, False, Reasons())
    body = """
      {% set sorted = {"label": "B", "number": true, "sort": "?s", "sorted": "ascending"} %}
      {% set limit = {"maxlength": 5} %}
      {% call ui.page_header("Head", "Sub") %}{{ ui.button("Go", attrs={"href": "/x"}) }}
      {% endcall %}
      {% call ui.data_table(["A", sorted], "Cap") %}
        <tr><td>1</td></tr>{% endcall %}
      {{ ui.field("f", "Field", "v", help="Help", error="Bad", attrs=limit) }}
      {{ ui.select("s", "Select", [("a", "A"), ("b", "B")], "b") }}
      {{ ui.textarea("t", "Area", "x", required=true) }}
      {{ ui.checkbox("c", "Check", true) }}{{ ui.button("Save", "danger") }}
      {{ ui.badge("B", "warn") }}
      {{ ui.stat("S", 5, "hint", [1, 2, 3]) }}
      {{ ui.empty_state("E", "text", "Do", "/do") }}
      {{ ui.progress(0.5, "P") }}{{ ui.progress(none, "Q") }}
      {{ ui.confidence(sure) }}|{{ ui.confidence(unsure) }}
      {{ ui.pagination(page, "/p?x=1") }}{{ ui.alert("A", "bad") }}
      {{ ui.tabs([("a", "Tab", "/a", 3), ("b", "Tub", "/b")], "a") }}
      {% call ui.card("Card") %}inside{% endcall %}{{ ui.csrf() }}"""
    page = Page([], 120, 2, 50)
    text = await _page(tmp_path, body, context={"sure": suggestion, "unsure": unsure, "page": page})
    for part in (
        'aria-describedby="f-help f-error"', 'aria-invalid="true"', 'maxlength="5"',
        'aria-sort="ascending"', '<option value="b" selected>', 'name="csrf_token" value="token"',
        "/p?x=1&amp;page=3", "<polyline", 'href="/do"', "inside", f"91{NBSP}%", "не уверен",
    ):  # fmt: skip
        assert part in text, part
    assert "11" not in text.split("|")[1][:200]  # below the threshold no number is shown


async def test_error_page_says_what_to_do(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return ui.render(
            request, "error.html", status=404, title="T", detail="D", remedy="R", request_id="id7"
        )

    client = await _client(handler)
    try:
        response = await client.get("/x")
        text = await response.text()
        assert response.status == 404
        for part in ("404", "D", "R", "id7"):
            assert part in text
    finally:
        await client.close()
