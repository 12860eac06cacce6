"""One authorised request of the Gmail API, with its parameters."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from gmail_sandbox.incoming import Incoming
from gmail_sandbox.refusal import invalid
from gmail_sandbox.state import State
from gmail_sandbox.tokens import Grant

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    state: State
    grant: Grant
    request: Request
    incoming: Incoming

    @property
    def account(self) -> str:
        return self.grant.account

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        return str(self.request.query_params.get(name, default))

    def number(self, name: str, default: int) -> int:
        text = self.query(name, str(default))
        if not text.isdecimal():
            raise invalid(f"Invalid value at '{name}' (TYPE_UINT32), \"{text}\"")
        return int(text)

    def several(self, name: str) -> list[str]:
        return self.request.query_params.getlist(name)

    def page_size(self) -> int:
        """`maxResults`: 100 without one, 500 at most."""
        return min(max(self.number("maxResults", 100), 1), 500)
