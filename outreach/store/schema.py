"""The schema that this version needs: migrations, and the newest release of the SQL functions.

Tables are in `supabase/migrations`, functions in `supabase/sql`; a release is one migration with
all functions (`outreach.store.release_sql`). A database reports its own by `schema_version()`.
"""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, NamedTuple, overload

from outreach import commands
from outreach.campaign.models import Model

RELEASE = "functions"
"""The name of every migration that is a release: `20261128170100_functions.sql`."""

UPDATE = "update outreach here"

Behind = Literal["newer", "older", "unsupported", "edited"]
State = Literal["current"] | Behind
"""A database's functions compared with this version; those of `newer` may still be called."""


class Migration(NamedTuple):
    version: str
    """UTC, `YYYYMMDDHHMMSS`: the order in which migrations run."""
    name: str
    """The name in the file name `VERSION_NAME.sql`."""
    file: Traversable

    @property
    def text(self) -> str:
        """Read on demand: a run needs only the newest release's version."""
        return self.file.read_text(encoding="utf-8")

    @property
    def is_release(self) -> bool:
        return self.name == RELEASE


class Difference(NamedTuple):
    """Of a database's schema from this version's; the problem is a clause: `its schema is of …`."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class SchemaVersion(Model):
    """A database's report on its functions; before the first release, only its version."""

    version: str
    calls_since: str = ""
    """The oldest release whose workers may call them."""
    release_hash: str = ""
    hash: str = ""

    @property
    def state(self) -> State:
        if self.version < release():
            return "older"
        if self.calls_since > release():
            return "unsupported"
        if self.hash != self.release_hash:
            return "edited"
        return "newer" if self.version > release() else "current"


@cache
def migrations() -> list[Migration]:
    """Every migration, oldest first."""
    names = {
        file.name.removesuffix(".sql"): file
        for file in packaged("migrations", "supabase/migrations").iterdir()
        if file.name.endswith(".sql")
    }
    return [
        Migration(version, name, names[stem])
        for stem in sorted(names)
        for version, _, name in [stem.partition("_")]
    ]


@cache
def release() -> str:
    """The version of the newest release."""
    return next(one.version for one in reversed(migrations()) if one.is_release)


@overload
def difference(state: Behind, version: str) -> Difference: ...
@overload
def difference(state: State, version: str) -> Difference | None: ...
def difference(state: State, version: str) -> Difference | None:
    """How the database's schema differs from this version's, with a remedy; None: equal."""
    match state:
        case "older":
            return Difference(
                f"its schema is of {version}, this version needs {release()}",
                f"run {commands.MIGRATE}",
            )
        case "unsupported":
            return Difference(
                f"its schema is of {version}, which this version ({release()}) may not use", UPDATE
            )
        case "newer":
            return Difference(
                f"its schema is of {version}, newer than this version ({release()})", UPDATE
            )
        case "edited":
            return Difference(
                f"its functions were changed by hand since their release ({version})",
                f"run {commands.MIGRATE}, which puts them back",
            )
        case "current":
            return None


def packaged(name: str, in_checkout: str) -> Traversable:
    """A folder that the wheel carries as `outreach/NAME`, or its place in a checkout."""
    in_wheel = files("outreach") / name
    checkout = Path(__file__).parents[2] / in_checkout
    return checkout if checkout.is_dir() else in_wheel
