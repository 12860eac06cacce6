"""`outreach db`: the schema, and the database's address."""

from typing import TYPE_CHECKING, Annotated

import typer

from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json
from outreach.errors import ConfigurationError, Rejected

if TYPE_CHECKING:
    from pydantic import SecretStr


def migrate(*, as_json: AsJson = False) -> None:
    """Bring the schema up to date; it can be done again at any time."""
    from outreach.store.migrate import exposed_tokens
    from outreach.store.migrate import migrate as run_all

    address = _address()
    done, exposed = run_all(address), exposed_tokens(address)
    if as_json:
        tokens = [one.model_dump() for one in exposed]
        show_json({"applied": done.applied, "mended": done.mended, "exposed_tokens": tokens})
        return
    if done.mended:
        say("Functions that were changed by hand are again what their release says.")
    if done.applied:
        say(f"The schema is up to date; {len(done.applied)} migration(s) were new.")
    else:
        say("The schema is up to date; nothing was new.")
    for one in exposed:
        note(f"{one.message}; if it need not, run: {one.statement}")


def recount(*, as_json: AsJson = False) -> None:
    """Count the mails of the reports anew, from the log; outcomes wait for some seconds."""
    from outreach.cli.context import opened_store

    with opened_store() as store:
        done = store.recount()
    if as_json:
        show_json(done)
    elif done.changed:
        say(f"{done.rows} count(s) are right now; {done.changed} differed.")
    else:
        say(f"{done.rows} count(s), and none differed.")


def url(*, as_json: AsJson = False) -> None:
    """The address of the Postgres, password and all, as in `psql "$(outreach db url)"`."""
    address = _address().get_secret_value()
    if as_json:
        show_json({"url": address})
    else:
        say(address)


def reader(
    name: Annotated[str, typer.Argument(help="A new role, or a reader: it gets a new password.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a role that may read the reports' views and nothing else; prints its address."""
    from outreach.store.reader import make_reader

    address = make_reader(_address(), name).get_secret_value()
    if as_json:
        show_json({"name": name, "url": address})
    else:
        say(address)


def stop(*, as_json: AsJson = False) -> None:
    """Shut the embedded Postgres down; the next command that needs it starts it again."""
    from outreach import settings
    from outreach.local import postgres

    found = settings.load()
    if found.supabase_url or found.database_url:
        raise Rejected("The database is none that `outreach` has started: end it where it runs.")
    ran = postgres.stop(found.outreach_home)
    if as_json:
        show_json({"was_running": ran})
    else:
        say("It is stopped." if ran else "It was not running.")


def _address() -> "SecretStr":
    """Starts the embedded Postgres when no other database is set. Raises ConfigurationError."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    from outreach import settings, wiring

    found = settings.load()
    if found.supabase_url and found.database_url is None:
        raise ConfigurationError(
            "SUPABASE_URL alone gives no way into its Postgres",
            "set DATABASE_URL to the address under “Connect” in Supabase, with the user postgres",
        )
    address = wiring.database_url(found)
    try:
        conninfo_to_dict(address.get_secret_value())
    except ProgrammingError:
        raise ConfigurationError(
            "DATABASE_URL is not a Postgres address", "it looks like postgresql://user:…@host/db"
        ) from None
    return address
