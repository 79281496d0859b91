"""The command ``neurobot``: which commands there are, and how any of them ends.

Data goes to standard output, everything else to standard error. Exit codes: 0 ok, 1 failure,
2 usage, 3 found problems, 65 bad data, 73 cannot write, 75 second server, 78 configuration,
130 interrupted. Commands load only what they need when they run, so that ``--help`` is instant.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from admin.commands.invocation import Invocation
from admin.commands.terminal import complain
from bot.errors import NeurobotError

CANNOT_WRITE = 73
INTERRUPTED = 130
_READ_ONLY = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT}

# command -> (module, one line for the list)
_COMMANDS = {
    "demo": ("demo", "A made-up company with a scripted customer, in a folder of its own."),
    "serve": ("serve", "Start the server."),
    "import": ("imports", "Import a knowledge base, past tickets or events."),
    "export": ("export", "Write what the desk knows to files."),
    "erase": ("erase", "Take a customer out of everything, and prove it."),
    "train": ("train", "Train the models on what the desk knows."),
    "models": ("models", "List, show, promote and roll back trained models."),
    "evaluate": ("evaluate", "Measure the product on a corpus of your own."),
    "bench": ("bench", "Measure speed on knowledge bases of any size."),
    "users": ("users", "People who work here and their sign-in links."),
    "backup": ("backup", "Copy the database while the server runs, and verify the copy."),
    "restore": ("restore", "Put a verified backup in place of the database."),
    "doctor": ("doctor", "Check the machine, the data and the models."),
    "openapi": ("openapi", "Print the REST API's description."),
    "version": ("version", "Print the version."),
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"admin.commands.{_COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file, default neurobot.toml."
)
@click.option("--data-dir", help="Folder of the database and the models.")
@click.option("--debug", is_flag=True, envvar="NEUROBOT_DEBUG", help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, data_dir: str | None, debug: bool) -> None:
    """Neurobot: a support desk that learns from its own agents.

    \b
    Example:
      neurobot demo
      neurobot serve
      neurobot import knowledge faq.csv --dry-run
    """
    ctx.obj = Invocation(config=config, data_dir=data_dir, debug=debug)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    as_json = "--json" in arguments
    debug = "--debug" in arguments or bool(os.environ.get("NEUROBOT_DEBUG"))
    try:
        code = cli.main(list(arguments), prog_name="neurobot", standalone_mode=False)
    except click.ClickException as error:
        if as_json:
            complain("usage", error.format_message(), None, as_json=True)
        else:
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; do not let the interpreter complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the edge: no traceback unless asked for
        if debug:
            traceback.print_exc()
        return _report(error, as_json=as_json, debug=debug)
    return code if isinstance(code, int) else 0


def _report(error: Exception, *, as_json: bool, debug: bool) -> int:
    if isinstance(error, NeurobotError):
        complain(error.code, error.detail, error.remedy, as_json=as_json)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _READ_ONLY:
        place = "Free some space, or choose a folder that this user may write to."
        complain("cannot-write", _os_text(error), place, as_json=as_json)
        return CANNOT_WRITE
    if isinstance(error, OSError):
        complain("system", _os_text(error), None, as_json=as_json)
        return 1
    remedy = None if debug else "Run it again with --debug before the command and keep the output."
    complain("internal", f"{type(error).__name__}: {error}", remedy, as_json=as_json)
    return 1


def _os_text(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{error.filename}: {text}." if error.filename else f"{text}."


def main() -> None:
    """Entry point of the installed command."""
    sys.exit(run(sys.argv[1:]))
