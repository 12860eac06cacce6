"""OAuth consent flow: Google's consent page, and the refresh token from it.

The authorization code flow of desktop apps (RFC 8252) with PKCE (RFC 7636). google-auth-oauthlib
has it too, but its local server ends with the first request of any kind, and reports success to the
person before it is certain; its session logs tokens, and accepts the sandbox's http address or an
unticked scope only through environment variables of the whole process.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import google.auth.exceptions
import google.auth.jwt
from pydantic import SecretStr

from outreach.delivery.modes import DIRECT, DRAFTS, METADATA, MODIFY, READ, SEND, named
from outreach.errors import AccountUnusable, Rejected
from outreach.gmail import answers
from outreach.gmail.tokens import TokenService, app_of
from outreach.mail.addresses import is_valid, normalise
from outreach.settings import Settings

IDENTITY = "openid email"
"""Always requested: gmail.send alone does not give the account's address."""
_NO_TOKEN = (ValueError, TypeError, AttributeError, RecursionError)
RESTRICTED = DRAFTS | READ | {METADATA}
"""Restricted in Google's verification of apps; gmail.send is only sensitive."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The permission that an account's owner gave."""

    email: str
    refresh_token: SecretStr
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Question:
    """One visit to the consent page; its secrets are valid for this visit only."""

    settings: Settings
    redirect_uri: str
    """The redirect for the browser, `http://127.0.0.1:PORT/`; Google allows any port there."""
    send_only: bool = False
    """Ask for gmail.send instead of gmail.modify."""
    hint: str | None = None
    """The address that Google's page suggests."""
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @property
    def address(self) -> str:
        """The address of the consent page. Raises ConfigurationError."""
        asked = {
            "client_id": app_of(self.settings)["client_id"],
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": f"{IDENTITY} {SEND if self.send_only else MODIFY}",
            "state": self.state,
            "code_challenge": _s256(self.verifier),
            "code_challenge_method": "S256",
            # For a refresh token, and for a new one when the app was allowed before.
            "access_type": "offline",
            "prompt": "consent",
        }
        if self.hint:
            asked["login_hint"] = self.hint
        return f"{self.settings.google_auth_url}?{urlencode(asked)}"

    def is_answered_by(self, query: Mapping[str, str]) -> bool:
        """Whether the browser brings the response to this visit, and not to another one."""
        return secrets.compare_digest(query.get("state", "").encode(), self.state.encode())

    def redeem(self, query: Mapping[str, str], tokens: TokenService) -> Granted:
        """Exchange the code that the browser brought for the permission.

        Raises Rejected when it was refused, AccountUnusable when it does not suffice to send,
        ConfigurationError, and TemporarilyUnavailable.
        """
        code = _code(query)
        try:
            answer = tokens.redeem(code, self.verifier, self.redirect_uri)
        except AccountUnusable:
            raise Rejected(
                "Google did not take the code that its page gave", "connect the account again"
            ) from None
        return _granted(answer)


def verification(scopes: frozenset[str]) -> str:
    """Google's verification requirement for an app with these scopes, as a sentence."""
    outside = "an app for accounts outside your own Workspace organisation has to pass Google's"
    if restricted := scopes & RESTRICTED:
        return (
            f"Restricted scope ({', '.join(named(restricted))}): {outside} verification with a "
            "security assessment; an internal app needs neither."
        )
    return (
        f"Sensitive scope (send): {outside} verification, without a security assessment; "
        "an internal app needs none."
    )


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _code(query: Mapping[str, str]) -> str:
    if code := query.get("code"):
        return code
    error = query.get("error", "")
    if error == "access_denied":
        raise Rejected(
            "Access was denied on Google's page, and nothing is stored", "connect again to allow it"
        )
    raise Rejected(f"Google's page ended without an answer ({error[:60]!r})", "connect again")


def _granted(answer: Mapping[str, Any]) -> Granted:
    scopes, token = answers.words(answer, "scope"), answers.token(answer, "refresh_token")
    if not scopes & DIRECT:
        raise AccountUnusable(
            "The permission to send mail was not ticked on Google's page, and nothing is stored",
            "connect again and tick it",
        )
    if token is None:
        raise Rejected(
            "Google gave no refresh token",
            "remove this app at https://myaccount.google.com/connections, then connect again",
        )
    return Granted(_owner(answer), SecretStr(token), scopes)


def _owner(answer: Mapping[str, Any]) -> str:
    """The account's address. The id token came straight from Google: a signature adds no proof."""
    try:
        claims = google.auth.jwt.decode(answer["id_token"], verify=False)  # type: ignore[no-untyped-call]
    except (google.auth.exceptions.GoogleAuthError, LookupError, *_NO_TOKEN):
        claims = {}
    owner = answers.text(claims, "email")
    if owner is None or not is_valid(normalise(owner)):
        raise Rejected("Google did not tell whose account it is", "connect again")
    return owner
