"""How one gets into the Prefect server of a home: its password, and where it listens.

The password is made once a home. `outreach` finds it there; people and programs are told it by
`outreach up --show-password`.
"""

import secrets
from pathlib import Path

from outreach.errors import ConfigurationError
from outreach.local import postgres, private

USER = "outreach"


def password(home: Path) -> str:
    """`outreach:…`, as PREFECT_API_AUTH_STRING has it; made at first use. Raises OSError."""
    if (known := _read(home, "password")) is not None:
        return known
    made = f"{USER}:{secrets.token_urlsafe(24)}"
    _write(home, "password", made)
    return made


def known_password(home: Path) -> str:
    """Raises ConfigurationError."""
    if (known := _read(home, "password")) is None:
        raise ConfigurationError(
            f"There is no password in {home}",
            "`outreach up` makes it when it first runs, or set "
            "OUTREACH_HOME to the folder where it ran",
        )
    return known


def note_address(home: Path, api: str) -> None:
    """Where this home's server listens, until it is started anew. Raises OSError."""
    _write(home, "address", api)


def password_for(api: str, home: Path) -> str | None:
    """The password, if that API is this home's server, and it runs: nobody else is told."""
    if _read(home, "address") != api.rstrip("/") or not postgres.is_held(home):
        return None
    return _read(home, "password")


def _read(home: Path, name: str) -> str | None:
    try:
        return (home / name).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def _write(home: Path, name: str, text: str) -> None:
    """At once: who reads meanwhile finds the old one or the new one."""
    new = private.folder(home) / f"{name}.new"
    private.write(new, f"{text}\n".encode())
    new.replace(home / name)
