"""The lists of Gmail's API: messages, drafts and history, in pages."""

import time
from collections.abc import Iterator
from typing import get_args

from gmail_sandbox import query
from gmail_sandbox.call import Call, Json
from gmail_sandbox.history import Change, Entry
from gmail_sandbox.mail import SPAM, TRASH, Draft, Message
from gmail_sandbox.refusal import invalid, metadata_scope

JUNK = frozenset({SPAM, TRASH})


def list_messages(call: Call) -> Json:
    messages = call.state.mailbox.messages(call.account)
    labels = set(call.several("labelIds"))
    hidden = set() if _shows_junk(call, labels) else JUNK
    found = (
        message
        for message in _searched(call, messages)
        if labels <= set(message.labels) and hidden.isdisjoint(message.labels)
    )
    page, after = _page(call, found)
    shown = [{"id": message.id, "threadId": message.thread_id} for message in page]
    return _listed("messages", shown, after)


def _shows_junk(call: Call, labels: set[str]) -> bool:
    asked = call.query("includeSpamTrash").lower() == "true"
    return asked or not labels.isdisjoint(JUNK) or query.names_junk(call.query("q"))


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
    token, size = call.query("pageToken"), call.page_size()
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


# --- history --------------------------------------------------------------------------------


def list_history(call: Call) -> Json:
    """The changes since an id, oldest first; the next page's token: this one's last entry."""
    mailbox = call.state.mailbox
    if not call.query("startHistoryId"):
        raise invalid("Missing or invalid startHistoryId")
    start, token = call.number("startHistoryId", 0), call.number("pageToken", 0)
    entries, last = mailbox.history(call.account, start, call.state.behaviour.history_kept)
    wanted = _wanted(call)
    label = call.query("labelId")
    found = [
        entry
        for entry in entries
        if entry.id > token and entry.change in wanted and (not label or label in entry.labels)
    ]
    size = call.page_size()
    listed: Json = {"history": [_changed(entry) for entry in found[:size]]} if found else {}
    if len(found) > size:
        listed["nextPageToken"] = str(found[size - 1].id)
    return listed | {"historyId": str(last)}


def _wanted(call: Call) -> set[str]:
    """`historyTypes`; without one all. No label ever changes here."""
    asked = set(call.several("historyTypes"))
    known = {*get_args(Change), "labelAdded", "labelRemoved"}
    if unknown := asked - known:
        raise invalid(f"Invalid value at 'history_types', \"{min(unknown)}\"")
    return asked or known


def _changed(entry: Entry) -> Json:
    message = {"id": entry.message_id, "threadId": entry.thread_id}
    kind = {"messageAdded": "messagesAdded", "messageDeleted": "messagesDeleted"}[entry.change]
    return {
        "id": str(entry.id),
        "messages": [message],
        kind: [{"message": {**message, "labelIds": list(entry.labels)}}],
    }
