"""Access to a home's Prefect server: its password and its address.

The password is made once per home. `outreach` reads it there; people and programs get it with
`outreach up --show-password`.
"""

import secrets
from pathlib import Path

from outreach import commands
from outreach.errors import ConfigurationError
from outreach.local import claims, private

USER = "outreach"


def password(home: Path) -> str:
    """`outreach:…`, in the form of PREFECT_API_AUTH_STRING; made at first use. Raises OSError."""
    if (known := _read(home, "password")) is not None:
        return known
    made = f"{USER}:{secrets.token_urlsafe(24)}"
    _write(home, "password", made)
    return made


def known_password(home: Path) -> str:
    """The password. Raises ConfigurationError when there is none."""
    if (known := _read(home, "password")) is None:
        raise ConfigurationError(
            f"There is no password in {home}",
            f"{commands.UP} makes it when it first runs, or set "
            "OUTREACH_HOME to the folder where it ran",
        )
    return known


def note_address(home: Path, api: str) -> None:
    """Record the address of this home's server, until its next start. Raises OSError."""
    _write(home, "address", api)


def password_for(api: str, home: Path) -> str | None:
    """The password, if that API is this home's running server; else None."""
    if _read(home, "address") != api.rstrip("/") or not claims.is_held(home / claims.ALIVE):
        return None
    return _read(home, "password")


def _read(home: Path, name: str) -> str | None:
    try:
        return (home / name).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def _write(home: Path, name: str, text: str) -> None:
    """Write atomically: a concurrent reader finds the old file or the new one."""
    new = private.folder(home) / f"{name}.new"
    private.write(new, f"{text}\n".encode())
    new.replace(home / name)
