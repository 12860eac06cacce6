"""Transport over Supabase's HTTP API, with the supabase client.

The client reads errors only from their JSON and drops the HTTP status; gateways and CDNs before
PostgREST answer with a status and HTML. So each response is classified here:
https://docs.postgrest.org/en/stable/references/errors.html
https://supabase.com/docs/guides/platform/http-status-codes
"""

import re
import socket
from datetime import date, time
from typing import Any, cast
from uuid import UUID

import httpx
from pydantic import SecretStr
from supabase.client import SupabaseException

from outreach import commands
from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.store.calls import Row
from outreach.store.errors import CallRefused, TransientError, of_code, outdated, repeated
from supabase import ClientOptions, create_client

TIMEOUT = 70.0
"""Seconds for one call: longer than the longest statement_timeout, 60 s."""

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


class PostgREST:
    """Calls over Supabase's HTTP API with the service-role key (`sb_secret_…` or a JWT)."""

    def __init__(
        self,
        url: str,
        key: SecretStr,
        *,
        limit: int = 12,
        timeout: float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`limit`: connections at once; `timeout`: seconds per call.

        Raises ConfigurationError; does not connect yet.
        """
        self._timeout = timeout
        # HTTP/1.1: its threads share this client, and httpcore's HTTP/2 is not made for that.
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=min(timeout, 10.0)),
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            event_hooks={"response": [_judge]},
            transport=transport,
        )
        options = ClientOptions(
            httpx_client=self._http,
            postgrest_client_retry=False,
            auto_refresh_token=False,
            persist_session=False,
        )
        try:
            self._postgrest = create_client(url, _header_value(key), options).postgrest
        except (SupabaseException, ValueError):
            raise ConfigurationError(
                "SUPABASE_URL is not an address", "it looks like https://PROJECT.supabase.co"
            ) from None

    def call(self, function: str, **arguments: Any) -> list[Row]:
        values = {name: _as_json(value) for name, value in arguments.items()}
        return repeated(lambda: self._fetch(function, values))

    def close(self) -> None:
        self._http.close()

    def _fetch(self, function: str, values: Row) -> list[Row]:
        try:
            return cast(list[Row], self._postgrest.rpc(function, values).execute().data)
        except httpx.PoolTimeout:
            raise StoreUnavailable("The database is away (no connection).") from None
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            # An immediate retry would take as long again.
            raise StoreUnavailable(
                f"The database did not answer within {self._timeout:.0f} s."
            ) from None
        except httpx.TransportError as error:
            raise TransientError(_kind(error)) from None
        except httpx.InvalidURL:
            raise _wrong_address("it is not an address") from None


def _judge(answer: httpx.Response) -> None:
    """Accept a successful JSON response; raise the error for any other response."""
    says_json = "json" in answer.headers.get("content-type", "")
    if answer.is_success and says_json:
        return
    answer.read()
    code, message = _error_in(answer) if says_json else ("", "")
    raise _failure(answer.status_code, code, message)


def _error_in(answer: httpx.Response) -> tuple[str, str]:
    """PostgREST's code and message; a gateway's error has only a message."""
    try:
        error = answer.json()
    except ValueError:
        return "", ""
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or error.get("error") or "")


def _failure(status: int, code: str, message: str) -> Exception:
    message = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    match status, code:
        case _, "PGRST202" | "PGRST205":
            return outdated(message)
        case _, "PGRST106":
            return ConfigurationError(
                "Supabase's Data API does not expose the schema public",
                "add it to the exposed schemas in the project's API settings",
            )
        case _, "42501" if "function" not in message:
            # Only the service role may call the function.
            return ConfigurationError(
                f"The database gives its service role too few rights ({message})",
                f"run {commands.MIGRATE}, which grants them",
            )
        case _, "42501":
            return ConfigurationError(
                f"The database refuses the role of SUPABASE_SERVICE_ROLE_KEY ({message})",
                "it has to be the secret (service-role) key, not the publishable (anon) one",
            )
        case _, code if _SQLSTATE.fullmatch(code):
            return of_code(code, message)
        case ((401 | 403), _):
            return ConfigurationError(
                f"Supabase refuses SUPABASE_SERVICE_ROLE_KEY ({message})",
                "copy the secret (service-role) key of this project again",
            )
        case 402, _:
            return ConfigurationError(
                f"Supabase has restricted the project ({message})", "see its dashboard"
            )
        case 540, _:
            return ConfigurationError(
                "The Supabase project is paused", "restore it in its dashboard"
            )
        case ((408 | 429), _):
            return TransientError(message)
        case _ if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return TransientError(message)
        case _ if code:
            return CallRefused(f"Supabase refuses the call ({code}, {message}).")
        case _:
            return _wrong_address(message)


def _wrong_address(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"SUPABASE_URL does not lead to a Supabase project ({why})",
        "copy it from the project's settings, it looks like https://PROJECT.supabase.co",
    )


def _kind(error: httpx.TransportError) -> str:
    """The kind of failure alone, or that DNS does not know the host, as of a paused project."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "the host of SUPABASE_URL is not known; a paused project's is not"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _header_value(key: SecretStr) -> str:
    """The key. Raises ConfigurationError when no header can carry it: httpx would quote the key."""
    text = key.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigurationError(
            "SUPABASE_SERVICE_ROLE_KEY holds a space, a line break or another character that no "
            "key has",
            "copy the secret (service-role) key again",
        )
    return text


def _as_json(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case list():
            return [_as_json(one) for one in value]
        case _:
            return value
