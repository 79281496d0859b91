"""``neurobot users add | list | link | disable | role``."""

from __future__ import annotations

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.remote import perform
from admin.commands.terminal import show, table

_ROLES = click.Choice(["agent", "admin", "owner"])


@click.group("users")
def command() -> None:
    """People who work here and their sign-in links.

    \b
    Example:
      neurobot users add anna --name "Anna" --role admin
      neurobot users link anna
    """


@command.command("list")
@json_option
@click.pass_obj
def list_users(invocation: Invocation, *, as_json: bool) -> None:
    """List everyone.

    \b
    Example:
      neurobot users list
    """
    found = perform(invocation.settings(), "users.list")
    rows = [
        (user["login"], user["name"], user["role"], "disabled" if user["disabled_at"] else "active")
        for user in found["users"]
    ]
    text = (
        table(("login", "name", "role", "access"), rows)
        if rows
        else "Nobody yet: neurobot users add LOGIN"
    )
    show(found, as_json=as_json, text=text)


@command.command("add")
@click.argument("login")
@click.option("--name", default="", help="Name that colleagues see.")
@click.option("--role", type=_ROLES, default="agent", show_default=True)
@click.option("--lang", type=click.Choice(["ru", "en"]), default="en", show_default=True)
@json_option
@click.pass_obj
def add(
    invocation: Invocation, *, login: str, name: str, role: str, lang: str, as_json: bool
) -> None:
    """Add LOGIN and print a one-time sign-in link.

    \b
    Example:
      neurobot users add anna --name "Anna" --role admin --lang ru
    """
    found = perform(
        invocation.settings(), "users.add", login=login, name=name, role=role, language=lang
    )
    show(found, as_json=as_json, text=found["link"])


@command.command("link")
@click.argument("login")
@json_option
@click.pass_obj
def link(invocation: Invocation, *, login: str, as_json: bool) -> None:
    """Print a new one-time sign-in link for LOGIN.

    \b
    Example:
      neurobot users link anna
    """
    found = perform(invocation.settings(), "users.link", login=login)
    show(found, as_json=as_json, text=found["link"])


@command.command("disable")
@click.argument("login")
@json_option
@click.pass_obj
def disable(invocation: Invocation, *, login: str, as_json: bool) -> None:
    """End all sessions of LOGIN and let them in no more.

    \b
    Example:
      neurobot users disable anna
    """
    found = perform(invocation.settings(), "users.disable", login=login)
    show(found, as_json=as_json, text=f"{found['login']} is disabled.")


@command.command("role")
@click.argument("login")
@click.argument("role", type=_ROLES)
@json_option
@click.pass_obj
def role(invocation: Invocation, *, login: str, role: str, as_json: bool) -> None:
    """Give LOGIN another role.

    \b
    Example:
      neurobot users role anna owner
    """
    found = perform(invocation.settings(), "users.role", login=login, role=role)
    show(found, as_json=as_json, text=f"{found['login']} is {found['role']} now.")
