"""Permissions for accounts: refresh tokens, access tokens, and codes of the consent page.

A refresh token holds its own content (`sandbox:<email>[:<scopes>]`), so it survives a restart.
"""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from threading import Lock

from gmail_sandbox.envelope import is_address

GOOGLE = "https://www.googleapis.com/auth/gmail."
SCOPES = {
    "send": GOOGLE + "send",
    "compose": GOOGLE + "compose",
    "modify": GOOGLE + "modify",
    "readonly": GOOGLE + "readonly",
    "metadata": GOOGLE + "metadata",
    "full": "https://mail.google.com/",
}
SHORT = {scope: name for name, scope in SCOPES.items()}
IDENTITY = {"openid": "openid", "email": "https://www.googleapis.com/auth/userinfo.email"}
"""Scopes of identity: requested name -> granted name."""
LIFETIME = 3599
CODE_LIFETIME = 600


class InvalidGrant(Exception):
    """The token endpoint's `invalid_grant`; the message is its description."""


@dataclass(frozen=True, slots=True)
class Grant:
    """An account, and the short names of the scopes that it granted."""

    account: str
    scopes: tuple[str, ...]

    @classmethod
    def of(cls, refresh_token: str) -> "Grant | None":
        kind, _, rest = refresh_token.partition(":")
        account, _, names = rest.partition(":")
        scopes = tuple(names.split(",")) if names else ("modify",)
        known = kind == "sandbox" and is_address(account) and set(scopes) <= set(SCOPES)
        return cls(account.lower(), scopes) if known else None

    @property
    def refresh_token(self) -> str:
        return f"sandbox:{self.account}:{','.join(self.scopes)}"

    @property
    def scope(self) -> str:
        return " ".join(SCOPES[name] for name in self.scopes)


@dataclass(frozen=True, slots=True)
class Access:
    token: str
    grant: Grant
    expires_at: float
    identity: tuple[str, ...] = ()
    """Granted with a code; a refresh token does not hold it."""


@dataclass(frozen=True, slots=True)
class Code:
    """The consent page's grant, until the code is exchanged."""

    grant: Grant
    identity: tuple[str, ...]
    client_id: str
    redirect_uri: str
    challenge: str | None
    expires_at: float

    def fault(self, client_id: str, redirect_uri: str, verifier: str | None) -> str | None:
        """Why this exchange does not match the grant; None when it does."""
        if time.time() > self.expires_at or client_id != self.client_id:
            return "Bad Request"
        if redirect_uri != self.redirect_uri:
            return "Bad Request"
        if self.challenge is None:
            return None
        if not verifier:
            return "Missing code verifier."
        return None if s256(verifier) == self.challenge else "Invalid code verifier."


class Tokens:
    def __init__(self) -> None:
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self._access: dict[str, Access] = {}
            self._codes: dict[str, Code] = {}
            self._revoked: set[str] = set()

    def refresh(self, refresh_token: str) -> Access:
        """Raises InvalidGrant for an invalid token, or of a revoked account."""
        grant = Grant.of(refresh_token)
        with self._lock:
            if grant is None or grant.account in self._revoked:
                raise InvalidGrant("Token has been expired or revoked.")
            return self._issue(grant)

    def _issue(self, grant: Grant, identity: tuple[str, ...] = ()) -> Access:
        token = f"ya29.sandbox-{secrets.token_urlsafe(32)}"
        access = Access(token, grant, time.time() + LIFETIME, identity)
        self._access[token] = access
        return access

    def holder(self, access_token: str) -> Grant | None:
        """The account and scopes of a token; None for one that is unknown or expired."""
        with self._lock:
            access = self._access.get(access_token)
        return access.grant if access and access.expires_at > time.time() else None

    def expire(self, account: str) -> None:
        """End the account's access tokens; its refresh token stays valid."""
        with self._lock:
            self._access = {k: a for k, a in self._access.items() if a.grant.account != account}

    def revoke(self, account: str) -> None:
        """End all tokens of the account, until its owner consents anew."""
        with self._lock:
            self._revoked.add(account)
        self.expire(account)

    def promise(
        self,
        grant: Grant,
        identity: tuple[str, ...],
        client_id: str,
        redirect_uri: str,
        challenge: str | None,
    ) -> str:
        """Record the owner's consent: a code that can be exchanged once, within ten minutes."""
        code = f"4/{secrets.token_urlsafe(32)}"
        expires_at = time.time() + CODE_LIFETIME
        with self._lock:
            self._revoked.discard(grant.account)
            self._codes[code] = Code(
                grant, identity, client_id, redirect_uri, challenge, expires_at
            )
        return code

    def exchange(
        self, code: str, client_id: str, redirect_uri: str, verifier: str | None
    ) -> Access:
        """Raises InvalidGrant for a code that is unknown, used, expired or another client's."""
        with self._lock:
            promised = self._codes.pop(code, None)
            if promised is None:
                raise InvalidGrant("Malformed auth code.")
            if fault := promised.fault(client_id, redirect_uri, verifier):
                raise InvalidGrant(fault)
            return self._issue(promised.grant, promised.identity)


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
