"""The methods of Gmail's API: their scopes and their effects."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from gmail_sandbox import query
from gmail_sandbox.incoming import Incoming
from gmail_sandbox.mail import Draft, Message
from gmail_sandbox.refusal import invalid, metadata_scope, not_found
from gmail_sandbox.state import State
from gmail_sandbox.tokens import Grant
from outreach.mail import parts

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request."""

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


# --- sending --------------------------------------------------------------------------------


def send_message(call: Call) -> Json:
    raw = _raw(call)
    return reference(call.state.mailbox.send(call.account, raw, call.incoming.thread_id))


def create_draft(call: Call) -> Json:
    raw = _raw(call)
    draft = call.state.mailbox.create_draft(call.account, raw, call.incoming.thread_id)
    return {"id": draft.id, "message": reference(draft.message)}


def send_draft(call: Call) -> Json:
    if not call.incoming.draft_id:
        raise not_found()
    return reference(
        call.state.mailbox.send_draft(call.account, call.incoming.draft_id, call.incoming.raw)
    )


def _raw(call: Call) -> bytes:
    if not call.incoming.raw:
        raise invalid(
            "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
        )
    return call.incoming.raw


def reference(message: Message) -> Json:
    return {"id": message.id, "threadId": message.thread_id, "labelIds": [message.label]}


# --- reading --------------------------------------------------------------------------------


def get_message(call: Call) -> Json:
    return _shown(call, call.state.mailbox.message(call.account, call.path("message_id")))


def get_attachment(call: Call) -> Json:
    raw = call.state.mailbox.message(call.account, call.path("message_id")).read()
    data = parts.attachment(parts.tree(raw), call.path("attachment_id"))
    if data is None:
        raise invalid("Invalid attachment token")
    return {"size": len(data), "data": base64.urlsafe_b64encode(data).decode()}


def get_thread(call: Call) -> Json:
    messages = call.state.mailbox.thread(call.account, call.path("thread_id"))
    shown = [_shown(call, message) for message in messages]
    return {"id": call.path("thread_id"), "historyId": shown[-1]["historyId"], "messages": shown}


def get_draft(call: Call) -> Json:
    draft = call.state.mailbox.draft(call.account, call.path("draft_id"))
    return {"id": draft.id, "message": _shown(call, draft.message)}


def delete_draft(call: Call) -> None:
    call.state.mailbox.delete_draft(call.account, call.path("draft_id"))


def get_profile(call: Call) -> Json:
    messages = call.state.mailbox.messages(call.account)
    return {
        "emailAddress": call.account,
        "messagesTotal": len(messages),
        "threadsTotal": len({message.thread_id for message in messages}),
        "historyId": _history(messages[0]) if messages else "1",
    }


def _history(message: Message) -> str:
    return str(int(message.id, 16) >> 20)


def _shown(call: Call, message: Message) -> Json:
    shape = call.query("format", "full").lower()
    if shape not in {"full", "metadata", "minimal", "raw"}:
        raise invalid(f"Invalid value at 'format', \"{shape}\"")
    if shape in {"full", "raw"} and "metadata" in call.grant.scopes:
        raise metadata_scope(f"Metadata scope doesn't allow format {shape.upper()}")
    return _body(message, shape, call.request.query_params.getlist("metadataHeaders"))


def _body(message: Message, shape: str, wanted: list[str]) -> Json:
    raw = message.read()
    part = parts.tree(raw)
    shown = reference(message) | {
        "snippet": parts.snippet(part),
        "historyId": _history(message),
        "internalDate": str(int(message.at * 1000)),
        "sizeEstimate": message.size,
    }
    if shape == "raw":
        shown["raw"] = base64.urlsafe_b64encode(raw).decode()
    elif shape == "metadata":
        shown["payload"] = {"mimeType": part.type, "headers": parts.headers(part.head, wanted)}
    elif shape == "full":
        shown["payload"] = parts.payload(part)
    return shown


# --- lists ----------------------------------------------------------------------------------


def list_messages(call: Call) -> Json:
    messages = call.state.mailbox.messages(call.account)
    labels = set(call.request.query_params.getlist("labelIds"))
    found = (m for m in _searched(call, messages) if labels <= {m.label})
    page, after = _page(call, found)
    shown = [{"id": message.id, "threadId": message.thread_id} for message in page]
    return _listed("messages", shown, after)


def list_drafts(call: Call) -> Json:
    drafts: dict[str, Draft] = {
        draft.message.id: draft for draft in call.state.mailbox.drafts(call.account)
    }
    page, after = _page(call, _searched(call, [draft.message for draft in drafts.values()]))
    shown = [
        {"id": drafts[m.id].id, "message": {"id": m.id, "threadId": m.thread_id}} for m in page
    ]
    return _listed("drafts", shown, after)


def _searched(call: Call, messages: list[Message]) -> Iterator[Message]:
    q = call.query("q")
    if not q:
        return iter(messages)
    if "metadata" in call.grant.scopes:
        raise metadata_scope("Metadata scope does not support 'q' parameter")
    test, indexed = query.compiled(q), time.time() - call.state.behaviour.index_lag_seconds
    return (m for m in messages if m.at <= indexed and test(m))


def _page(call: Call, found: Iterator[Message]) -> tuple[list[Message], str | None]:
    """One page, newest first, and the next page's token: the id of this one's last message."""
    token, size = call.query("pageToken"), min(max(call.number("maxResults", 100), 1), 500)
    page: list[Message] = []
    for message in found:
        if token and message.id >= token:
            continue
        if len(page) == size:
            return page, page[-1].id
        page.append(message)
    return page, None


def _listed(name: str, shown: list[Json], after: str | None) -> Json:
    listed: Json = {name: shown} if shown else {}
    if after:
        listed["nextPageToken"] = after
    return listed | {"resultSizeEstimate": len(shown) + bool(after)}


# --- the table ------------------------------------------------------------------------------

SENDING = frozenset({"send", "compose", "modify", "full"})
COMPOSING = frozenset({"compose", "modify", "full"})
READING = frozenset({"readonly", "metadata", "modify", "full"})
READING_ALL = READING - {"metadata"}


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    verb: str
    path: str
    scopes: frozenset[str]
    """Any of them suffices."""
    act: Callable[[Call], Json | None]
    uploads: bool = False
    slow: bool = False
    """Reads many messages, so it must not block the loop."""


OPERATIONS = (
    Operation("drafts.send", "POST", "/drafts/send", COMPOSING, send_draft, uploads=True),
    Operation("drafts.create", "POST", "/drafts", COMPOSING, create_draft, uploads=True),
    Operation("messages.send", "POST", "/messages/send", SENDING, send_message, uploads=True),
    Operation("drafts.delete", "DELETE", "/drafts/{draft_id}", COMPOSING, delete_draft),
    Operation("drafts.get", "GET", "/drafts/{draft_id}", COMPOSING | READING_ALL, get_draft),
    Operation("drafts.list", "GET", "/drafts", COMPOSING | READING_ALL, list_drafts, slow=True),
    Operation("messages.list", "GET", "/messages", READING, list_messages, slow=True),
    Operation("messages.get", "GET", "/messages/{message_id}", READING, get_message),
    Operation(
        "messages.attachments.get",
        "GET",
        "/messages/{message_id}/attachments/{attachment_id}",
        READING_ALL,
        get_attachment,
    ),
    Operation("threads.get", "GET", "/threads/{thread_id}", READING, get_thread),
    Operation("profile", "GET", "/profile", COMPOSING | READING, get_profile),
)
