"""The composition root: from settings to a Store and a Mailer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from outreach import settings as settings_module
from outreach.errors import ConfigurationError
from outreach.loopback import is_loopback, is_loopback_host
from outreach.settings import GMAIL_API, GOOGLE_AUTH, GOOGLE_TOKEN, Settings
from outreach.store.migrate import is_current, migrate
from outreach.store.postgres import Postgres
from outreach.store.store import Store

if TYPE_CHECKING:
    from outreach.gmail import Gmail, GmailInbox

CONNECTIONS = 8
"""For all senders: their calls take milliseconds, and each connection plans every function anew."""


@dataclass(frozen=True)
class Services:
    """The services for sending; made once per process, shared by its threads."""

    settings: Settings
    store: Store
    mailer: "Gmail"
    inbox: "GmailInbox"

    def close(self) -> None:
        self.mailer.close()
        self.store.close()


_current: Services | None = None
_lock = threading.Lock()


def current() -> Services:
    """This process's services, from its environment and `.env`, or from `using`."""
    global _current  # noqa: PLW0603 - one process, one set of services
    with _lock:
        if _current is None:
            _current = open_services(settings_module.load())
        return _current


def current_settings() -> Settings:
    """The settings of this process, without opening anything."""
    return _current.settings if _current else settings_module.load()


@contextmanager
def using(settings: Settings) -> Iterator[Services]:
    """Make `current()` use only these settings, for the demo and the tests."""
    global _current  # noqa: PLW0603
    services = open_services(settings)
    with _lock:
        before, _current = _current, services
    try:
        yield services
    finally:
        with _lock:
            _current = before
        services.close()


def open_services(settings: Settings) -> Services:
    """Raises ConfigurationError, with nothing open."""
    from outreach.gmail import Gmail, GmailInbox

    refuse_mixed_worlds(settings)
    store = open_store(settings)
    mailer = Gmail(settings, store.read_credentials)
    return Services(settings, store, mailer, GmailInbox(mailer.requests))


def open_store(settings: Settings) -> Store:
    if settings.supabase_url and settings.supabase_service_role_key:
        from outreach.store.postgrest import PostgREST

        limit = settings.send_concurrency + 4
        http = PostgREST(settings.supabase_url, settings.supabase_service_role_key, limit=limit)
        return Store(http, settings, settings.database_url)
    if settings.supabase_url and settings.database_url is None:
        raise ConfigurationError(
            "SUPABASE_URL is set but SUPABASE_SERVICE_ROLE_KEY is not",
            "set both, or DATABASE_URL alone",
        )
    url = database_url(settings)
    if settings.database_url is None and not is_current(url):
        migrate(url)  # the embedded database has no other owner
    limit = min(settings.send_concurrency, CONNECTIONS) + 4
    return Store(Postgres(url, limit=limit), settings, url)


def database_url(settings: Settings) -> SecretStr:
    """The address of the Postgres to use or migrate; starts the embedded one on demand."""
    if settings.database_url is not None:
        return settings.database_url
    from outreach.local import postgres, private

    return postgres.start(private.home(settings.outreach_home)).url


def refuse_mixed_worlds(settings: Settings) -> None:
    """A fake Gmail would mark real leads as mailed: allow it only with a local database."""
    pretended = any(
        is_loopback(url)
        for url in (settings.gmail_api_url, settings.google_token_url, settings.google_auth_url)
    )
    real = (settings.supabase_url and not is_loopback(settings.supabase_url)) or (
        settings.database_url and not _is_local_database(settings.database_url)
    )
    if pretended and real:
        raise ConfigurationError(
            "GMAIL_API_URL, GOOGLE_TOKEN_URL or GOOGLE_AUTH_URL is on this machine, but the "
            "database is not: unset them to mail for real "
            f"({GMAIL_API}, {GOOGLE_TOKEN}, {GOOGLE_AUTH}), or use a local database."
        )


def refuse_half_a_consent(settings: Settings) -> None:
    """Consent at Google must not be answered by the sandbox, nor the other way round."""
    if is_loopback(settings.google_auth_url) != is_loopback(settings.google_token_url):
        raise ConfigurationError(
            "GOOGLE_AUTH_URL and GOOGLE_TOKEN_URL must both be Google's, or both the sandbox's: "
            "set both, or unset both."
        )


def _is_local_database(url: SecretStr) -> bool:
    """For an address in either form of libpq; it may have several hosts. A path is a socket."""
    try:
        found = conninfo_to_dict(url.get_secret_value())
    except ProgrammingError:
        return True  # no address at all, which is told when it is used
    hosts = str(found.get("hostaddr") or found.get("host") or "/").split(",")
    return all(is_loopback_host(host) or host.startswith("/") for host in hosts)
