"""The methods of Gmail's API: their scopes and their effects."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from gmail_sandbox.call import Call, Json
from gmail_sandbox.handover import hand_over
from gmail_sandbox.lists import list_drafts, list_history, list_messages
from gmail_sandbox.mail import Message
from gmail_sandbox.refusal import invalid, metadata_scope, not_found
from outreach.mail import parts

# --- sending --------------------------------------------------------------------------------


def send_message(call: Call) -> Json:
    raw = _raw(call)
    message = call.state.mailbox.send(call.account, raw, call.incoming.thread_id)
    hand_over(call.state, message)
    return reference(message)


def create_draft(call: Call) -> Json:
    raw = _raw(call)
    draft = call.state.mailbox.create_draft(call.account, raw, call.incoming.thread_id)
    return {"id": draft.id, "message": reference(draft.message)}


def send_draft(call: Call) -> Json:
    if not call.incoming.draft_id:
        raise not_found()
    draft_id, raw = call.incoming.draft_id, call.incoming.raw
    message = call.state.mailbox.send_draft(call.account, draft_id, raw)
    hand_over(call.state, message)
    return reference(message)


def _raw(call: Call) -> bytes:
    if not call.incoming.raw:
        raise invalid(
            "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
        )
    return call.incoming.raw


def reference(message: Message) -> Json:
    return {"id": message.id, "threadId": message.thread_id, "labelIds": list(message.labels)}


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
        "historyId": str(call.state.mailbox.history_id(call.account)),
    }


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
        "historyId": str(message.history_id),
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
    Operation("history.list", "GET", "/history", READING, list_history, slow=True),
    Operation("profile", "GET", "/profile", COMPOSING | READING, get_profile),
)
