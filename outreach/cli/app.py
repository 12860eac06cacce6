"""The whole command: its table of commands, and the handling of its errors."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from outreach.cli import database, doctor, down, report, up, web, worker
from outreach.cli.accounts import commands as accounts
from outreach.cli.accounts import connect
from outreach.cli.campaigns import (
    cancel,
    check,
    create,
    export,
    follow_up,
    operate,
    preview,
    replies,
    show,
    start,
    unconfirmed,
)
from outreach.cli.leads import answered, history
from outreach.cli.leads import commands as leads
from outreach.cli.leads.erase import erase
from outreach.cli.lines import accept_any_stream
from outreach.cli.mailboxes import commands as mailboxes
from outreach.cli.mailboxes import explain
from outreach.cli.suppressions import commands as suppressions
from outreach.cli.telling import status_of, without_the_pools_log
from outreach.errors import OutreachError
from outreach.gc_tuning import rarely_collected
from outreach.loopback import never_through_a_proxy

COMMANDS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "db": (
        "The database: its schema and its address.",
        {
            "migrate": database.migrate,
            "url": database.url,
            "recount": database.recount,
            "reader": database.reader,
            "stop": database.stop,
        },
    ),
    "accounts": (
        "The Gmail accounts that campaigns are sent from.",
        {
            "add": accounts.add,
            "list": accounts.show,
            "remove": accounts.remove,
            "wake": accounts.wake,
            "connect": connect.connect,
        },
    ),
    "leads": (
        "The people to be mailed.",
        {
            "import": leads.import_file,
            "list": leads.show,
            "answered": answered.answered,
            "show": history.show,
            "template": history.template,
            "erase": erase,
        },
    ),
    "mailboxes": (
        "What comes back to the accounts: replies, bounces, away notices.",
        {"read": mailboxes.read, "list": mailboxes.show, "explain": explain.explain},
    ),
    "campaigns": (
        "Campaigns: make, start, watch and end them.",
        {
            "create": create.create,
            "follow-up": follow_up.follow_up,
            "list": show.show_all,
            "status": show.status,
            "leads": show.show_leads,
            "replies": replies.replies,
            "export": export.export,
            "report": report.of_campaign,
            "cancel": cancel.cancel,
            "check": check.check,
            "preview": preview.preview,
            "start": start.start,
            "pause": operate.pause,
            "resume": operate.resume,
            "retry-failed": operate.retry_failed,
            "settle": unconfirmed.settle,
            "resolve": unconfirmed.resolve,
            "test-send": preview.send_test,
        },
    ),
    "suppressions": (
        "Addresses and domains that no campaign mails.",
        {
            "add": suppressions.add,
            "import": suppressions.import_file,
            "list": suppressions.show,
            "export": suppressions.export,
            "remove": suppressions.remove,
            "history": suppressions.history,
        },
    ),
}
"""Each group of commands: its help, and its commands in the order of that help."""

app = typer.Typer(
    name="outreach",
    no_args_is_help=True,
    # Plain help and usage errors: they read the same through a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Sends outreach campaigns through Gmail: no lead mailed twice, none lost.",
)
for group, (about, commands) in COMMANDS.items():
    made = typer.Typer(help=about, no_args_is_help=True)
    for name, command in commands.items():
        made.command(name)(command)
    app.add_typer(made, name=group)
for command in (report.report, doctor.doctor, up.up, worker.worker, web.web, down.down):
    app.command()(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(version("outreach"))
        raise typer.Exit


@app.callback()
def outreach(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command()
def demo() -> None:
    """The whole job on parts of this machine alone, in under a minute."""
    from outreach.cli import demo as whole_job

    whole_job.run()


@app.command()
def sandbox(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8025,
    data: Annotated[
        Path | None, typer.Option(file_okay=False, help="A folder that keeps the mails.")
    ] = None,
) -> None:
    """A local Gmail API with a page that shows what was “sent” through it."""
    from gmail_sandbox.server import run as serve
    from outreach.local import private

    private.from_now_on()
    serve(port, data)


def main() -> None:
    """The console script."""
    accept_any_stream()
    never_through_a_proxy()
    if os.environ.get("PREFECT_API_URL") == "":
        del os.environ[
            "PREFECT_API_URL"
        ]  # as `.env` files write what is not set; Prefect would ask it
    without_the_pools_log()
    with rarely_collected():  # most of its time it imports
        status = run(sys.argv[1:])
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run the command in this process; returns its exit status.

    Every error is one sentence on stderr.
    """
    return status_of(lambda: _status(arguments))


def _status(arguments: Sequence[str]) -> int:
    try:
        typer.main.get_command(app).main(args=list(arguments), prog_name="outreach")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            raise OutreachError(ended.code) from None  # else nobody would read it
        return ended.code or 0
    return 0
