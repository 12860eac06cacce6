"""The sandbox's mailboxes as a reader sees them, through Google's own client."""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httplib2
import httpx
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient import discovery, discovery_cache
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

from gmail_sandbox import Sandbox, serve
from gmail_sandbox.tokens import Grant

ADA = "ada@acme.example"
LEAD = "zoe@lead.example"
READERS = ["readonly", "modify", "full"]
Open = Callable[..., Any]
ADDED = "messageAdded"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.state.reset()
    return running


@cache
def document(url: str) -> dict[str, Any]:
    """Google's description of the API, at the sandbox's address; uploads too."""
    found = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
    return {**found, "rootUrl": f"{url}/", "baseUrl": f"{url}/", "mtlsRootUrl": f"{url}/"}


@pytest.fixture
def gmail(sandbox: Sandbox) -> Iterator[Open]:
    """Opens `users()` of an account with these scopes."""
    opened = []

    def connect(scopes: str = "modify", account: str = ADA) -> Any:
        grant = Grant(account, tuple(scopes.split(",")))
        sandbox.mailbox.open_account(account)
        token = sandbox.state.tokens.refresh(grant.refresh_token).token
        http = AuthorizedHttp(Credentials(token), httplib2.Http(proxy_info=None))
        service = discovery.build_from_document(document(sandbox.url), http=http)
        opened.append(service)
        return service.users()

    yield connect
    for service in opened:
        service.close()


def mail(subject: str = "Rockets", *more: str, to: str = LEAD, body: str = "Hello") -> bytes:
    lines = [f"From: Ada Byron <{ADA}>", f"To: {to}", f"Subject: {subject}", *more, "", body, ""]
    return "\r\n".join(lines).encode()


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def send(users: Any, raw: bytes | None = None, **more: str) -> dict[str, Any]:
    body = {"raw": encoded(raw or mail()), **more}
    sent: dict[str, Any] = users.messages().send(userId="me", body=body).execute()
    return sent


def draft(users: Any, raw: bytes | None = None, **more: str) -> dict[str, Any]:
    body = {"message": {"raw": encoded(raw or mail()), **more}}
    made: dict[str, Any] = users.drafts().create(userId="me", body=body).execute()
    return made


def now(users: Any) -> str:
    return str(users.getProfile(userId="me").execute()["historyId"])


def history(users: Any, start: str, **more: Any) -> dict[str, Any]:
    request = users.history().list(userId="me", startHistoryId=start, **more)
    found: dict[str, Any] = request.execute()
    return found


def added(answer: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Id and labels of each message that came, in the order of the history."""
    messages = [
        one["message"]
        for entry in answer.get("history", [])
        for one in entry.get("messagesAdded", [])
    ]
    return [(message["id"], message["labelIds"]) for message in messages]


def status(request: Any) -> int:
    try:
        request.execute()
    except HttpError as error:
        return int(error.status_code)
    return 200


def inject(sandbox: Sandbox, **asked: Any) -> dict[str, Any]:
    answer = httpx.post(f"{sandbox.url}/sandbox/inbound", json=asked, trust_env=False)
    answer.raise_for_status()
    row: dict[str, Any] = answer.json()
    return row


def arm(sandbox: Sandbox, fault: str, **how: Any) -> None:
    asked = {"fault": fault, **how}
    httpx.post(f"{sandbox.url}/sandbox/faults", json=asked, trust_env=False).raise_for_status()


def settle(sandbox: Sandbox, **settings: Any) -> None:
    url = f"{sandbox.url}/sandbox/settings"
    httpx.post(url, json=settings, trust_env=False).raise_for_status()


# --- history --------------------------------------------------------------------------------


def test_history_tells_what_came_since_an_id(sandbox: Sandbox, gmail: Open) -> None:
    """Each mail once, oldest first; from the id of the answer on there is nothing more."""
    users = gmail()
    start = now(users)
    sent = send(users)
    came = inject(sandbox, kind="reply", mail=sent["id"])
    answer = history(users, start, historyTypes=[ADDED])
    rest = history(users, answer["historyId"], historyTypes=[ADDED])
    assert added(answer) == [(sent["id"], ["SENT"]), (came["id"], ["UNREAD", "INBOX"])]
    assert rest == {"historyId": answer["historyId"]}
    assert int(start) < int(answer["historyId"])


def test_history_lists_drafts_and_what_became_of_them(gmail: Open) -> None:
    """A draft that was sent is listed all the same, and `get` no longer knows it."""
    users = gmail()
    start = now(users)
    made = draft(users)
    sent = users.drafts().send(userId="me", body={"id": made["id"]}).execute()
    answer = history(users, start, historyTypes=[ADDED])
    gone = users.messages().get(userId="me", id=made["message"]["id"])
    assert added(answer) == [(made["message"]["id"], ["DRAFT"]), (sent["id"], ["SENT"])]
    assert status(gone) == 404
    whole = history(users, start)["history"]
    deleted = [one["message"]["id"] for entry in whole for one in entry.get("messagesDeleted", [])]
    assert deleted == [made["message"]["id"]]


def test_history_of_one_label(sandbox: Sandbox, gmail: Open) -> None:
    """Only the mails that have it."""
    users = gmail()
    start = now(users)
    sent = send(users)
    came = inject(sandbox, kind="away", mail=sent["id"])
    answer = history(users, start, labelId="INBOX")
    assert [identity for identity, _ in added(answer)] == [came["id"]]


def test_history_comes_in_pages(gmail: Open) -> None:
    """Seven mails in pages of three, by the client's own `list_next`."""
    users = gmail()
    start = now(users)
    sent = [send(users)["id"] for _ in range(7)]
    request = users.history().list(userId="me", startHistoryId=start, maxResults=3)
    pages = []
    while request is not None:
        answer = request.execute()
        pages.append([identity for identity, _ in added(answer)])
        request = users.history().list_next(request, answer)
    assert pages == [sent[:3], sent[3:6], sent[6:]]


def test_a_history_id_that_is_too_old_is_404(sandbox: Sandbox, gmail: Open) -> None:
    """Of five entries two are kept: the ids before them are expired."""
    users = gmail()
    ids = [now(users)]
    for _ in range(5):
        send(users)
        ids.append(now(users))
    settle(sandbox, history_kept=2)
    found = [status(users.history().list(userId="me", startHistoryId=one)) for one in ids]
    assert found == [404, 404, 404, 200, 200, 200]


@pytest.mark.parametrize("start", ["1", "99999999999999999"])
def test_a_history_id_that_never_was_is_404(gmail: Open, start: str) -> None:
    """Such as another account's."""
    users = gmail()
    send(users)
    assert status(users.history().list(userId="me", startHistoryId=start)) == 404


@pytest.mark.parametrize(
    "wrong", [{"startHistoryId": "x"}, {"startHistoryId": ""}, {"pageToken": "x"}]
)
def test_a_history_request_that_is_wrong_is_400(gmail: Open, wrong: dict[str, str]) -> None:
    """It is the client's fault, not an expired id."""
    users = gmail()
    asked = {"userId": "me", "startHistoryId": now(users), **wrong}
    assert status(users.history().list(**asked)) == 400


def test_history_is_of_one_account(gmail: Open) -> None:
    """Ada's mails are no news for Bob."""
    ada, bob = gmail(), gmail(account="bob@acme.example")
    start = now(bob)
    send(ada)
    assert (added(history(bob, start)), now(bob)) == ([], start)


def test_history_goes_on_after_a_restart(tmp_path: Path) -> None:
    """An id of the earlier sandbox is known, and tells what came since."""
    with serve(data=tmp_path) as before:
        before.mailbox.send(ADA, mail())
        start = before.mailbox.history_id(ADA)
        first = before.mailbox.receive(ADA, mail("Later"))
    with serve(data=tmp_path) as after:
        entries, last = after.mailbox.history(ADA, start, 100)
        [again] = after.mailbox.received()
    assert [(entry.message_id, entry.labels) for entry in entries] == [
        (first.id, ("UNREAD", "INBOX"))
    ]
    assert (again.labels, again.history_id) == (first.labels, first.history_id)
    assert last >= first.history_id


def test_the_mails_of_an_earlier_version_are_sent_mails(tmp_path: Path) -> None:
    """Its archive has no labels, senders and history ids."""
    with serve(data=tmp_path) as before:
        sent = before.mailbox.send(ADA, mail())
    index = tmp_path / "mails.jsonl"
    row = json.loads(index.read_text())
    index.write_text(json.dumps({k: row[k] for k in [*sent.summary(), "recipients"]}) + "\n")
    with serve(data=tmp_path) as after:
        [again] = after.mailbox.sent()
        entries, _ = after.mailbox.history(ADA, again.history_id - 1, 100)
    assert (again.id, again.labels) == (sent.id, ("SENT",))
    assert [entry.message_id for entry in entries] == [sent.id]


# --- who may read ---------------------------------------------------------------------------


@pytest.mark.parametrize("scopes", [*READERS, "metadata", "compose", "send", "send,readonly"])
def test_only_a_scope_to_read_reads(sandbox: Sandbox, gmail: Open, scopes: str) -> None:
    """readonly, modify and full read; metadata all but bodies; compose sees its profile alone."""
    sent = send(gmail())
    users = gmail(scopes)
    asked = {
        "profile": users.getProfile(userId="me"),
        "history": users.history().list(
            userId="me", startHistoryId=sandbox.mailbox.history_id(ADA)
        ),
        "list": users.messages().list(userId="me"),
        "metadata": users.messages().get(userId="me", id=sent["id"], format="metadata"),
        "raw": users.messages().get(userId="me", id=sent["id"], format="raw"),
        "thread": users.threads().get(userId="me", id=sent["threadId"], format="metadata"),
    }
    refused = {name for name, request in asked.items() if status(request) == 403}
    expected: dict[str, set[str]] = {
        "metadata": {"raw"},
        "compose": asked.keys() - {"profile"},
        "send": set(asked),
    }
    assert refused == expected.get(scopes, set())


# --- messages and threads -------------------------------------------------------------------


def test_a_profile_names_the_account_and_where_its_history_is(gmail: Open) -> None:
    """The id grows with each mail."""
    users = gmail()
    before = now(users)
    send(users)
    profile = users.getProfile(userId="me").execute()
    assert int(profile["historyId"]) > int(before)
    del profile["historyId"]
    assert profile == {"emailAddress": ADA, "messagesTotal": 1, "threadsTotal": 1}


def test_messages_are_listed_newest_first_without_spam(sandbox: Sandbox, gmail: Open) -> None:
    """Spam only where it is asked for, in one of three ways."""
    users = gmail()
    sent = send(users)["id"]
    reply = inject(sandbox, kind="reply", mail=sent)["id"]
    spam = inject(sandbox, kind="reply", mail=sent, spam=True)["id"]

    def listed(**asked: Any) -> list[str]:
        found = users.messages().list(userId="me", **asked).execute()
        return [message["id"] for message in found.get("messages", [])]

    assert listed() == [reply, sent]
    assert listed(includeSpamTrash=True) == [spam, reply, sent]
    assert listed(labelIds=["SPAM"]) == listed(q="in:spam") == [spam]
    assert listed(labelIds=["INBOX"]) == listed(q="in:inbox") == [reply]


def test_messages_come_in_pages(sandbox: Sandbox, gmail: Open) -> None:
    """As the client's `list_next` asks for them; spam counts as any other."""
    users = gmail()
    sent = send(users)["id"]
    came = [inject(sandbox, kind="reply", mail=sent, spam=True)["id"] for _ in range(4)]
    request = users.messages().list(userId="me", maxResults=2, includeSpamTrash=True)
    seen = []
    while request is not None:
        answer = request.execute()
        seen.append([message["id"] for message in answer["messages"]])
        request = users.messages().list_next(request, answer)
    assert seen == [came[:1:-1], came[1::-1], [sent]]


def test_a_received_mail_in_every_format(sandbox: Sandbox, gmail: Open) -> None:
    """Minimal has no payload, metadata the headers that are wanted, full the text, raw the mail."""
    users = gmail()
    raw = mail("Hi", "X-One: 1", "X-Two: 2", to=ADA)
    came = inject(sandbox, account=ADA, raw=encoded(raw))

    def get(**asked: Any) -> dict[str, Any]:
        found: dict[str, Any] = users.messages().get(userId="me", id=came["id"], **asked).execute()
        return found

    minimal = get(format="minimal")
    metadata = get(format="metadata", metadataHeaders=["subject", "X-Two"])["payload"]
    assert minimal == {
        "id": came["id"],
        "threadId": came["thread_id"],
        "labelIds": ["UNREAD", "INBOX"],
        "snippet": "Hello",
        "historyId": now(users),
        "internalDate": str(int(came["accepted_at"] * 1000)),
        "sizeEstimate": len(raw),
    }
    assert metadata["headers"] == [
        {"name": "Subject", "value": "Hi"},
        {"name": "X-Two", "value": "2"},
    ]
    assert base64.urlsafe_b64decode(get(format="full")["payload"]["body"]["data"]) == b"Hello\r\n"
    assert base64.urlsafe_b64decode(get(format="raw")["raw"]) == raw


def test_a_thread_shows_what_was_sent_and_what_came_back(sandbox: Sandbox, gmail: Open) -> None:
    """What a follow-up has to know: labels, the real Message-ID, the subject."""
    users = gmail()
    sent = send(users)
    came = inject(sandbox, kind="reply", mail=sent["id"])
    asked = {"userId": "me", "id": sent["threadId"]}
    wanted = ["Message-ID", "Subject", "In-Reply-To"]
    whole = users.threads().get(**asked, format="metadata", metadataHeaders=wanted).execute()
    ours, theirs = whole["messages"]
    heads = [
        {header["name"]: header["value"] for header in message["payload"]["headers"]}
        for message in (ours, theirs)
    ]
    minimal = users.threads().get(**asked, format="minimal").execute()["messages"]
    assert [(m["id"], m["labelIds"]) for m in minimal] == [
        (sent["id"], ["SENT"]),
        (came["id"], ["UNREAD", "INBOX"]),
    ]
    assert heads[0] == {"Message-ID": sandbox.mailbox.sent()[0].message_id, "Subject": "Rockets"}
    assert heads[1]["In-Reply-To"] == heads[0]["Message-ID"]
    assert heads[1]["Subject"] == "Re: Rockets"
    assert {ours["threadId"], theirs["threadId"]} == {sent["threadId"]}
    assert int(ours["internalDate"]) <= int(theirs["internalDate"])


# --- threads of what we send ----------------------------------------------------------------

OURS, FOREIGN = "<ours>", "<CAforeign@mail.gmail.com>"


@pytest.mark.parametrize(
    ("subject", "header", "named", "joins"),
    [
        ("Re: Rockets", "In-Reply-To", OURS, True),
        ("Rockets", "References", f"{FOREIGN}\r\n {OURS}", True),
        ("RE: re:  Rockets", "References", OURS, True),
        ("Re: Other rockets", "In-Reply-To", OURS, False),
        ("Re: Rockets", "In-Reply-To", FOREIGN, False),
        ("Re: Rockets", "X-Reply-To", OURS, False),
    ],
)
@pytest.mark.parametrize("how", ["send", "draft"])
def test_a_mail_joins_a_thread_only_if_all_three_agree(
    sandbox: Sandbox, gmail: Open, how: str, subject: str, header: str, named: str, joins: bool
) -> None:
    """The thread's id, a mail of it in In-Reply-To or References, and its subject; else a new one."""
    users = gmail()
    first = send(users)
    value = named.replace(OURS, sandbox.mailbox.sent()[0].message_id)
    raw = mail(subject, f"{header}: {value}")
    if how == "send":
        second = send(users, raw, threadId=first["threadId"])
    else:
        made = draft(users, raw, threadId=first["threadId"])
        second = users.drafts().send(userId="me", body={"id": made["id"]}).execute()
        assert second["threadId"] == made["message"]["threadId"]
    assert (second["threadId"] == first["threadId"]) is joins


def test_without_a_thread_id_a_mail_opens_a_thread(sandbox: Sandbox, gmail: Open) -> None:
    """Though its headers and its subject fit."""
    users = gmail()
    first = send(users)
    named = f"In-Reply-To: {sandbox.mailbox.sent()[0].message_id}"
    assert send(users, mail("Re: Rockets", named))["threadId"] != first["threadId"]


def test_a_persons_reply_can_be_answered_in_its_thread(sandbox: Sandbox, gmail: Open) -> None:
    """Their Message-ID counts as ours does."""
    users = gmail()
    first = send(users)
    inject(sandbox, kind="reply", mail=first["id"])
    named = f"In-Reply-To: {sandbox.mailbox.received()[0].message_id}"
    answer = send(users, mail("Re: Rockets", named), threadId=first["threadId"])
    assert answer["threadId"] == first["threadId"]


def test_a_thread_that_does_not_exist_is_404(sandbox: Sandbox, gmail: Open) -> None:
    """Unknown, or another account's; nothing is sent and no draft is kept."""
    users = gmail()
    foreign = send(gmail(account="bob@acme.example"))["threadId"]
    codes = []
    for thread in ("19a9d2f1c04b7e35", foreign):
        body = {"raw": encoded(mail()), "threadId": thread}
        codes.append(status(users.messages().send(userId="me", body=body)))
        codes.append(status(users.drafts().create(userId="me", body={"message": body})))
    assert codes == [404] * 4
    assert (len(sandbox.mailbox.sent()), sandbox.mailbox.drafts()) == (1, [])


@pytest.mark.parametrize("how", ["send", "draft"])
def test_a_multipart_upload_carries_the_thread(sandbox: Sandbox, gmail: Open, how: str) -> None:
    """The client's own multipart/related: JSON with `threadId`, then the mail, byte for byte.

    ASCII: of other mails the client's own writer fails.
    """
    users = gmail()
    first = send(users)
    named = f"In-Reply-To: {sandbox.mailbox.sent()[0].message_id}"
    raw = mail("Re: Rockets", named, body="From here\r\n.\r\n--b\r\nGruss")
    media = MediaInMemoryUpload(raw, mimetype="message/rfc822")
    thread = {"threadId": first["threadId"]}
    if how == "send":
        users.messages().send(userId="me", body=thread, media_body=media).execute()
    else:
        made = users.drafts().create(userId="me", body={"message": thread}, media_body=media)
        users.drafts().send(userId="me", body={"id": made.execute()["id"]}).execute()
    second = sandbox.mailbox.sent()[1]
    assert second.thread_id == first["threadId"]
    assert second.read().partition(b"\r\n\r\n")[2] == raw.partition(b"\r\n\r\n")[2]


# --- faults ---------------------------------------------------------------------------------


def test_every_third_read_fails(sandbox: Sandbox, gmail: Open) -> None:
    """`on: read` counts all methods that read together, and no other."""
    users = gmail()
    sent = send(users)
    start = now(users)
    arm(sandbox, "unavailable_503", on="read", every=3)
    asked = [
        users.history().list(userId="me", startHistoryId=start),
        users.messages().get(userId="me", id=sent["id"], format="metadata"),
        users.threads().get(userId="me", id=sent["threadId"], format="minimal"),
        users.getProfile(userId="me"),
    ]
    codes = [status(request) for request in asked + asked]
    assert codes == [200, 200, 503, 200, 200, 503, 200, 200]
    assert send(users)["labelIds"] == ["SENT"]


def test_a_history_that_expires_once(sandbox: Sandbox, gmail: Open) -> None:
    """404 as for an expired id, of this account alone."""
    ada, bob = gmail(), gmail(account="bob@acme.example")
    arm(sandbox, "not_found_404", on="history.list", account=ADA, times=1)
    asked = [users.history().list(userId="me", startHistoryId=now(users)) for users in (ada, bob)]
    assert [status(request) for request in (*asked, *asked)] == [404, 200, 200, 200]
