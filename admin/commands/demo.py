"""``neurobot demo``: a made-up company in a folder of its own, ready to be answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin.commands.invocation import Invocation
from admin.commands.terminal import Progress, say

if TYPE_CHECKING:
    from admin.demo.company import Company
    from bot.services import Services
    from bot.settings import Settings

FOLDER = "demo-data"
_MARK = ".neurobot-demo"  # only folders that hold it are ever used again
_PORT = 8080
_LINK_TTL_S = 86_400.0
_POLL_S = 0.5


@click.command("demo")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=None, help="Default: 8080, or a free one."
)
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.option("--fast", is_flag=True, help="Train the small models: ready sooner, less exact.")
@click.pass_obj
def command(invocation: Invocation, *, port: int | None, no_browser: bool, fast: bool) -> None:
    """Try Neurobot with a made-up company, Russian and English, and a scripted customer.

    Its data goes to ./demo-data (or --data-dir); your own data folder is never touched. Stop with
    Ctrl+C, delete the folder when you are done.

    \b
    Example:
      neurobot demo --no-browser --port 9000
    """
    folder = _folder(invocation.data_dir)
    settings = _settings(folder, port)
    asyncio.run(_run(settings, open_browser=not no_browser, preset="fast" if fast else ""))


def _folder(named: str | None) -> Path:
    """A folder that is ours: new, empty, or marked by an earlier demo.

    Raises:
        BadRequest: the named folder holds something else.
    """
    import tempfile

    from bot.errors import BadRequest

    folder = Path(named or FOLDER).expanduser().absolute()
    if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
        if named:
            raise BadRequest(
                f"{folder} holds other data; the demo does not touch it.",
                remedy="Name a new folder, or leave --data-dir out.",
            )
        folder = Path(tempfile.mkdtemp(prefix="neurobot-demo-"))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / _MARK).touch()
    return folder


def _settings(folder: Path, port: int | None) -> Settings:
    """Settings of the demo alone: neither the user's file nor the environment."""
    from admin.demo.company import NAME
    from bot.settings import load_settings

    chosen = port if port is not None else _free_port()
    return load_settings(
        folder / _MARK,
        environ={},
        overrides={
            "data_dir": str(folder),
            "company": NAME,
            "language": "ru" if _speaks_russian() else "en",
            "http.port": chosen,
            "log.level": "WARNING",
            "training.threads": max(1, min(2, (os.cpu_count() or 1) - 1)),
        },
    )


def _speaks_russian() -> bool:
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG", "")
    return named.startswith("ru")


def _free_port() -> int:
    for wanted in (_PORT, 0):
        with socket.socket() as probe:
            # as the server binds: a port that a stopped one has just left is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return _PORT


async def _run(settings: Settings, *, open_browser: bool, preset: str) -> None:
    from admin import panel
    from admin.demo.company import load_company
    from admin.demo.customer import ask
    from admin.operations import register
    from bot import app, http, logs

    register()
    logs.configure(settings, context=http.REQUEST_ID.get)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    company = load_company()
    async with app.running(
        settings, extra=[panel.add], templates=[panel.TEMPLATES], navigation=panel.NAVIGATION
    ) as server:
        services = server.services
        await _fill(services, company)
        link = await _link(services, server.url)
        _welcome(link, server.url, settings.language)
        if open_browser:
            _open(link)
        tasks = [
            asyncio.create_task(_train(services, preset, settings.language)),
            asyncio.create_task(ask(services, company.customer_lines())),
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _fill(services: Services, company: Company) -> None:
    """Articles, past questions and a person to sign in as; nothing is added twice."""
    from admin.operations import import_articles
    from bot.domain import Role

    await import_articles(services, company.article_rows(), dry_run=False)
    articles = await services.store.knowledge.all_items()
    await services.store.knowledge.import_tickets(company.tickets(articles))
    if not await services.store.people.agents():
        russian = services.settings.language == "ru"
        await services.store.people.create_agent(
            "demo", "Вы" if russian else "You", Role.OWNER, services.settings.language
        )


async def _link(services: Services, url: str) -> str:
    owner = (await services.store.people.agents())[0]
    token = await services.store.people.one_time_link(owner.id, _LINK_TTL_S)
    return f"{url}/sign-in/link/{token}?next=/desk"


def _welcome(link: str, url: str, language: str) -> None:
    from bot.catalogue import Catalogue

    say("")
    say(Catalogue.load().text("demo.welcome", language, link=link, chat=f"{url}/chat"))
    say("")


def _open(link: str) -> None:
    """Open the browser where there is a screen to show it on."""
    import webbrowser

    screen = platform.system() == "Darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if screen:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(link)


async def _train(services: Services, preset: str, language: str) -> None:
    """Train in a child process while the desk answers by words, then say so."""
    from bot.catalogue import Catalogue

    texts = Catalogue.load()
    if not _is_cold(services):
        say(texts.text("demo.trained-before", language))
        return
    live = await services.store.jobs.live()
    job = live[0] if live else await services.jobs.train(preset=preset)
    progress = Progress()
    while job.finished_at is None:
        progress.update(
            f"{texts.text('demo.training', language)}: {job.stage}", job.progress, job.eta_s
        )
        await asyncio.sleep(_POLL_S)
        job = await services.store.jobs.get(job.id)
    progress.close()
    if _is_cold(services):
        say(texts.text("demo.failed", language, reason=job.reason or job.state))
    else:
        say(texts.text("demo.trained", language))


def _is_cold(services: Services) -> bool:
    return services.serving.bundle is None
