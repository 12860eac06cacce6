"""Makes a role that may read the views of the reports, and nothing else."""

import re
import secrets
from urllib.parse import quote, urlencode

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from outreach.errors import ConfigurationError, Rejected

GROUP = "outreach_reader"
"""Each reader is a member; the views are granted to it."""
TIMEOUT = "60s"
"""For one statement of a reader."""
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def make_reader(url: SecretStr, name: str) -> SecretStr:
    """Make the role, or give one of ours a new password; returns its address.

    Raises Rejected for a name that cannot be used, and ConfigurationError.
    """
    if not _NAME.fullmatch(name) or name.startswith("pg_") or name == GROUP:
        raise Rejected(
            f"{name!r} cannot name a reader",
            "use small letters, digits and underscores, 63 at most, not pg_… or outreach_reader",
        )
    password = secrets.token_urlsafe(24)
    try:
        with psycopg.connect(url.get_secret_value(), connect_timeout=10) as db:
            _make(db, name, password)
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The database lets this user make no role ({error.diag.message_primary})",
            "DATABASE_URL needs a user with CREATEROLE, on Supabase the user postgres",
        ) from None
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            f"The database cannot be reached ({type(error).__name__})", "check DATABASE_URL"
        ) from None
    return address_of(url, name, password)


def _make(db: psycopg.Connection, name: str, password: str) -> None:
    if not _exists(db, GROUP):
        db.execute(sql.SQL("create role {} nologin").format(sql.Identifier(GROUP)))
    role = sql.Identifier(name)
    if not _exists(db, name):
        db.execute(sql.SQL("create role {} login").format(role))
        db.execute(sql.SQL("grant {} to {}").format(sql.Identifier(GROUP), role))
    elif not _is_reader(db, name):
        raise Rejected(
            f"The database has a role {name} that is no reader", "choose another name for it"
        )
    # Hashed here: a statement may be logged.
    hashed = db.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    for change in (
        sql.SQL("alter role {} login password {}").format(role, sql.Literal(hashed.decode())),
        sql.SQL("alter role {} set default_transaction_read_only = on").format(role),
        sql.SQL("alter role {} set statement_timeout = {}").format(role, sql.Literal(TIMEOUT)),
    ):
        db.execute(change)
    db.execute("select public.make_report_views()")


def _exists(db: psycopg.Connection, name: str) -> bool:
    found = db.execute("select count(*) from pg_catalog.pg_roles where rolname = %s", (name,))
    return found.fetchone() == (1,)


def _is_reader(db: psycopg.Connection, name: str) -> bool:
    """A member of the group and of nothing else, without rights of its own over the server."""
    found = db.execute(
        "select count(*) = 1 and bool_and(g.rolname = %s)"
        " and not bool_or(r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls)"
        " from pg_catalog.pg_auth_members m"
        " join pg_catalog.pg_roles r on r.oid = m.member"
        " join pg_catalog.pg_roles g on g.oid = m.roleid where r.rolname = %s",
        (GROUP, name),
    )
    return found.fetchone() == (True,)


def address_of(url: SecretStr, name: str, password: str) -> SecretStr:
    """Of the same database. At Supabase's pooler the project is behind the user: NAME.PROJECT."""
    parts = {key: str(value) for key, value in conninfo_to_dict(url.get_secret_value()).items()}
    _, dot, project = parts.pop("user", "").partition(".")
    parts.pop("password", None)
    host, port = parts.pop("host", "localhost"), parts.pop("port", "5432")
    database = quote(parts.pop("dbname", "postgres"), safe="")
    options = f"?{urlencode(parts)}" if parts else ""
    if host.startswith("/"):
        options = f"{options or '?'}{'&' if parts else ''}{urlencode({'host': host})}"
        host = ""
    elif ":" in host:
        host = f"[{host}]"
    user = f"{name}{dot}{project}"
    return SecretStr(f"postgresql://{user}:{password}@{host}:{port}/{database}{options}")
