"""An account's access token, and the scopes granted with it."""

import threading
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import google.auth.credentials
import requests
import urllib3
from pydantic import SecretStr

from outreach import commands
from outreach.campaign.models import Credentials
from outreach.errors import AccountUnusable, ConfigurationError, TemporarilyUnavailable
from outreach.gmail import answers, errors
from outreach.gmail.transport import body_of, without_retries
from outreach.loopback import is_loopback
from outreach.settings import Settings

MOST = 64 * 1024
"""Octets of a response with a token in it."""


class TokenService:
    """Google's token endpoint: a refresh token in, an access token out; one request, no retries."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session = without_retries(requests.Session(), settings.google_token_url)

    def exchange(self, refresh_token: SecretStr) -> dict[str, Any]:
        """The response, with an `access_token`.

        Raises AccountUnusable, ConfigurationError or TemporarilyUnavailable.
        """
        return self._post("refresh_token", refresh_token=refresh_token.get_secret_value())

    def redeem(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """The response to a code of the consent page: it has a `refresh_token` too.

        Raises as `exchange` does.
        """
        return self._post(
            "authorization_code", code=code, code_verifier=verifier, redirect_uri=redirect_uri
        )

    def _post(self, grant_type: str, **given: str) -> dict[str, Any]:
        app = app_of(self._settings)
        try:
            answer = self._session.post(
                self._settings.google_token_url,
                data={"grant_type": grant_type, **app, **given},
                timeout=urllib3.Timeout(total=self._settings.gmail_timeout_seconds),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            )
            body = body_of(answer.raw, MOST)
        except Exception as error:  # for any error: no token came
            raise TemporarilyUnavailable(
                f"Google's token service cannot be reached ({type(error).__name__})."
            ) from error
        return _token_in(answer.status_code, body)

    def close(self) -> None:
        self._session.close()


def app_of(settings: Settings) -> dict[str, str]:
    """The `client_id` and `client_secret` of the OAuth client that the accounts have authorised.

    Raises ConfigurationError.
    """
    client_id, secret = settings.google_client_id, settings.google_client_secret
    if client_id and secret:
        return {"client_id": client_id, "client_secret": secret.get_secret_value()}
    if is_loopback(settings.google_token_url):
        return {"client_id": "sandbox", "client_secret": "sandbox"}
    raise ConfigurationError(
        "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not both set",
        "set them to those of your "
        "app: Google Cloud console > APIs & Services > Credentials > Create credentials > "
        "OAuth client ID > Desktop app",
    )


class Access(google.auth.credentials.Credentials):
    """One account's access token, shared by all threads; one thread at a time renews it.

    google-auth's own refresh for user credentials is not used: it hides the granted scopes unless
    scopes are requested, and it sleeps and retries, which is the caller's decision.
    """

    def __init__(self, account: Callable[[], Credentials], tokens: TokenService) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._account = account
        self._tokens = tokens
        self._granted: frozenset[str] = frozenset()
        self._renewing = threading.Lock()
        self._here = threading.local()

    def ensure_valid_for(self, seconds: float) -> "Access":
        """Itself, with a token that is valid for at least `seconds`."""
        with self._renewing:
            if not self._lasts(seconds):
                self._renew()
        return self

    @property
    def granted(self) -> frozenset[str]:
        """The scopes that the account granted, from the last token's response."""
        self.ensure_valid_for(0)
        return self._granted

    def expire(self) -> None:
        """Force a renewal at the next use: an account that was denied may be reconnected."""
        with self._renewing:
            self.expiry = _now()

    def refresh(self, request: object) -> None:
        """Called by google-auth when the token has expired, or was refused with a 401.

        Does nothing when another thread has renewed it since this thread used it.
        """
        del request  # the token service has its own session
        with self._renewing:
            if not self.valid or self.token == getattr(self._here, "used", None):
                self._renew()

    def apply(self, headers: MutableMapping[str, str], token: str | None = None) -> None:
        """Called by google-auth right before a request leaves."""
        self._here.used = token or self.token
        super().apply(headers, self._here.used)  # type: ignore[no-untyped-call]

    def _lasts(self, seconds: float) -> bool:
        if self.token is None:
            return False
        return self.expiry is None or self.expiry > _now() + timedelta(seconds=seconds)

    def _renew(self) -> None:
        account = self._account()
        if account.refresh_token is None:
            raise AccountUnusable(
                f"{account.email} is not connected",
                f"connect it with {commands.connect_account(account.email)}",
            )
        answer = self._tokens.exchange(account.refresh_token)
        self.token = answers.token(answer, "access_token")
        self.expiry = _now() + timedelta(seconds=answers.lifetime(answer) or 0)
        self._granted = answers.words(answer, "scope")


def _token_in(status: int, body: bytes) -> dict[str, Any]:
    """The response with a usable token; raises the error for any other response."""
    answer = answers.of_json(body)
    is_good = status == requests.codes.ok and answers.token(answer, "access_token")
    if is_good and answers.lifetime(answer):
        return dict(answer)
    raise errors.of_token(status, body)


def _now() -> datetime:
    """In google-auth's form: UTC, but naive."""
    return datetime.now(UTC).replace(tzinfo=None)
