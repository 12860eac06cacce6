"""Requests to the Gmail API for many accounts, from many threads, each posted once."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from googleapiclient.errors import HttpError

from outreach.campaign.models import Credentials
from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    OutreachError,
    TemporarilyUnavailable,
)
from outreach.gmail import answers, errors
from outreach.gmail.tokens import Access, TokenService
from outreach.gmail.transport import MOST, Connections, never_connected
from outreach.settings import Settings

if TYPE_CHECKING:
    from outreach.gmail.google_client import Api


class Requests:
    """The accounts' access tokens, and the connections that all of them share.

    `credentials` is called at each renewal of an account's access token, so that a reconnected
    account works without a restart.
    """

    def __init__(self, settings: Settings, credentials: Callable[[UUID], Credentials]) -> None:
        self._url = settings.gmail_api_url
        self._credentials = credentials
        self._connections = Connections(self._url, settings.gmail_timeout_seconds)
        self._tokens = TokenService(settings)
        self._accesses: dict[UUID, Access] = {}
        self._lock = threading.Lock()

    @property
    def api(self) -> "Api":
        """Loaded at the first request: a check needs tokens alone."""
        from outreach.gmail import google_client  # noqa: PLC0415 - takes 0.1 s

        return google_client.api(self._url)

    def access(self, account_id: UUID) -> Access:
        with self._lock:
            if account_id not in self._accesses:
                read = lambda: self._credentials(account_id)  # noqa: E731 - read anew each time
                self._accesses[account_id] = Access(read, self._tokens)
            return self._accesses[account_id]

    def scopes(self, account_id: UUID) -> frozenset[str]:
        """The scopes that the account granted, from Google's response with its last token."""
        return self.access(account_id).granted

    def execute(
        self, account_id: UUID, request: Any, call: errors.Call, limit: int = MOST
    ) -> dict[str, Any]:
        """Post it once; of the response at most `limit` octets are read.

        A send's errors are SendUnclear unless it is certain that nothing left.
        """
        http = self.api.http(self.access(account_id), self._connections, limit)
        try:
            answer = request.execute(http=http, num_retries=0)
        except (OutreachError, ConfigurationError):
            raise
        except HttpError as error:
            refused = errors.of_api(
                error.status_code, error.content, call, error.resp.get("retry-after")
            )
            if isinstance(refused, AccountUnusable):
                self.access(account_id).expire()
            raise refused from None
        except Exception as error:
            raise _lost(error, call) from error
        if call != "look" and not answers.text(answer, "id"):
            raise errors.of_lost_answer(call, "it was cut off")
        return answer if isinstance(answer, dict) else {}

    def close(self) -> None:
        """Close every connection; call it when no thread sends or reads any more."""
        self._connections.close()
        self._tokens.close()


def _lost(error: Exception, call: errors.Call) -> Exception:
    if never_connected(error):
        return TemporarilyUnavailable(f"Gmail cannot be reached ({type(error).__name__}).")
    return errors.of_lost_answer(call, type(error).__name__)
