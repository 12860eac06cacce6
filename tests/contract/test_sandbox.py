"""The Gmail sandbox does what FACTS says Gmail does, over real sockets."""

import base64
import hashlib
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google.auth.jwt
import httpx
import pytest

from gmail_sandbox import Sandbox, serve

ADA = "ada@acme.example"
ME = "/gmail/v1/users/me"
AUTH = "/o/oauth2/v2/auth"
UPLOAD = "/upload" + ME
RFC822 = {"Content-Type": "message/rfc822"}
Gmail = Callable[..., httpx.Client]
TLS = ssl.create_default_context()  # made once: httpx would read all certificates each time
get, post = partial(httpx.get, verify=TLS), partial(httpx.post, verify=TLS)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.state.reset()
    return running


@pytest.fixture
def gmail(sandbox: Sandbox) -> Iterator[Gmail]:
    """Makes clients that hold an access token."""
    clients: list[httpx.Client] = []

    def connect(account: str = ADA, scopes: str = "modify") -> httpx.Client:
        token = refresh(sandbox, f"sandbox:{account}:{scopes}").json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        clients.append(httpx.Client(base_url=sandbox.url, headers=headers, verify=TLS))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def refresh(sandbox: Sandbox, refresh_token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "app"}
    return post(sandbox.token_url, data=form)


def mail(to: str = "lead@corp.example", body: str = "Hello", subject: str = "Hi") -> bytes:
    return f"To: {to}\r\nSubject: {subject}\r\nMessage-ID: <ours@x>\r\n\r\n{body}\r\n".encode()


def as_json(raw: bytes) -> dict[str, str]:
    return {"raw": base64.urlsafe_b64encode(raw).decode()}


def send(client: httpx.Client, raw: bytes | None = None) -> httpx.Response:
    return client.post(f"{ME}/messages/send", json=as_json(raw or mail()))


def draft(client: httpx.Client, raw: bytes | None = None) -> dict[str, Any]:
    made = client.post(f"{ME}/drafts", json={"message": as_json(raw or mail())})
    found: dict[str, Any] = made.raise_for_status().json()
    return found


def send_draft(client: httpx.Client, draft_id: str) -> httpx.Response:
    return client.post(f"{ME}/drafts/send", json={"id": draft_id})


def reason(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["errors"][0]["reason"]


def arm(sandbox: Sandbox, fault: str, **how: Any) -> None:
    post(f"{sandbox.url}/sandbox/faults", json={"fault": fault, **how}).raise_for_status()


def mails(sandbox: Sandbox) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(f"{sandbox.url}/sandbox/mails").json()
    return found


# --- tokens and scopes ----------------------------------------------------------------------


def test_a_refresh_tells_which_scopes_the_account_granted(sandbox: Sandbox) -> None:
    """The token endpoint answers with the scopes that the refresh token names."""
    answer = refresh(sandbox, f"sandbox:{ADA}:send,readonly").json()
    scope = "https://www.googleapis.com/auth/gmail."
    assert answer | {"access_token": ""} == {
        "access_token": "",
        "expires_in": 3599,
        "scope": f"{scope}send {scope}readonly",
        "token_type": "Bearer",
    }


@pytest.mark.parametrize("token", ["", "1//real", "sandbox:", "sandbox:a@b.example:everything"])
def test_any_other_refresh_token_is_no_grant(sandbox: Sandbox, token: str) -> None:
    """A token that the sandbox cannot read is answered as Google answers a revoked one."""
    answer = refresh(sandbox, token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_an_unknown_access_token_is_unauthenticated(sandbox: Sandbox) -> None:
    """The body has Google's shape: code, message, errors and status."""
    answer = get(f"{sandbox.url}{ME}/profile", headers={"Authorization": "Bearer x"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (401, 401, "UNAUTHENTICATED")


def test_revoking_stops_both_tokens_and_expiring_only_one(sandbox: Sandbox, gmail: Gmail) -> None:
    """Expired access tokens can be refreshed; of a revoked account nothing works."""
    client, seen = gmail(), []
    for what in ("expire", "revoke"):
        client.post(f"/sandbox/{what}", json={"account": ADA}).raise_for_status()
        renewed = refresh(sandbox, f"sandbox:{ADA}").status_code
        seen.append((client.get(f"{ME}/profile").status_code, renewed))
    assert seen == [(401, 200), (401, 400)]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("send", {"send"}),
        ("compose", {"send", "draft", "drafts"}),
        ("readonly", {"drafts", "list"}),
        ("metadata", {"list"}),
        ("modify", {"send", "draft", "drafts", "list"}),
        ("full", {"send", "draft", "drafts", "list"}),
    ],
)
def test_each_method_asks_for_its_scopes(gmail: Gmail, scope: str, allowed: set[str]) -> None:
    """A method without its scope is 403 insufficientPermissions; the others work."""
    client = gmail(scopes=scope)
    answers = {
        "send": send(client),
        "draft": client.post(f"{ME}/drafts", json={"message": as_json(mail())}),
        "drafts": client.get(f"{ME}/drafts"),
        "list": client.get(f"{ME}/messages"),
    }
    refused = {name for name, answer in answers.items() if answer.status_code == 403}
    assert refused == answers.keys() - allowed
    assert all("ACCESS_TOKEN_SCOPE_INSUFFICIENT" in answers[name].text for name in refused)


def test_the_metadata_scope_blocks_search_even_beside_others(gmail: Gmail) -> None:
    """Holding gmail.metadata, `q` is refused; the list without it is not."""
    client = gmail(scopes="modify,metadata")
    found = client.get(f"{ME}/messages"), client.get(f"{ME}/messages", params={"q": "x"})
    assert [answer.status_code for answer in found] == [200, 403]


def test_nobody_acts_for_somebody_else(gmail: Gmail) -> None:
    """The address in the path must be the token's own."""
    client = gmail()
    found = [client.get(f"/gmail/v1/users/{who}/profile") for who in (ADA, "eve@acme.example")]
    assert [answer.status_code for answer in found] == [200, 403]


# --- sending --------------------------------------------------------------------------------


def test_a_sent_mail_is_recorded_as_its_recipient_gets_it(sandbox: Sandbox, gmail: Gmail) -> None:
    """Gmail's own Message-ID replaces ours, and Bcc is not shown to anybody."""
    raw = mail("Lead <Lead@Corp.example>", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    sent = send(gmail(), b"Bcc: boss@acme.example\r\n" + raw).json()
    (record,) = mails(sandbox)
    delivered = get(f"{sandbox.url}/sandbox/mails/{sent['id']}/raw").content
    message = message_from_bytes(delivered)
    assert re.fullmatch("[0-9a-f]{16}", sent["id"])
    assert sent == {"id": sent["id"], "threadId": sent["id"], "labelIds": ["SENT"]}
    assert record == {
        "id": sent["id"],
        "thread_id": sent["threadId"],
        "account": ADA,
        "to": "lead@corp.example",
        "subject": "Grüße",
        "message_id_header": message["Message-ID"],
        "accepted_at": record["accepted_at"],
        "via": "messages.send",
        "size": len(delivered),
    }
    assert (message["From"], message["Bcc"], "ours@x" in str(message)) == (ADA, None, False)


def test_a_draft_is_sent_once_under_a_new_id_in_its_thread(sandbox: Sandbox, gmail: Gmail) -> None:
    """Sending deletes the draft and its message; the second time is 404."""
    client = gmail()
    made = draft(client)
    first, second = send_draft(client, made["id"]), send_draft(client, made["id"])
    old = client.get(f"{ME}/messages/{made['message']['id']}")
    assert first.json()["threadId"] == made["message"]["threadId"]
    assert first.json()["id"] != made["message"]["id"]
    assert (reason(second), reason(old)) == ((404, "notFound"), (404, "notFound"))
    assert [row["via"] for row in mails(sandbox)] == ["drafts.send"]


def test_of_two_sends_of_a_draft_at_once_one_succeeds(sandbox: Sandbox, gmail: Gmail) -> None:
    """Eight clients post the same draft at the same moment: one 200, seven 404."""
    clients = [gmail() for _ in range(8)]
    made, start = draft(clients[0]), Barrier(8)

    def at_once(client: httpx.Client) -> int:
        start.wait()
        return send_draft(client, made["id"]).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(at_once, clients)) == [200] + [404] * 7
    assert len(mails(sandbox)) == 1


def test_every_mail_of_many_threads_is_recorded(sandbox: Sandbox, gmail: Gmail) -> None:
    """The record is complete and exact: no mail lost, none twice, all ids different."""
    client = gmail()
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda n: send(client, mail(f"l{n}@x.example")).json(), range(100)))
    assert sorted(m["id"] for m in mails(sandbox)) == sorted(m["id"] for m in sent)
    assert {m["to"] for m in mails(sandbox)} == {f"l{n}@x.example" for n in range(100)}


def test_an_address_mailed_twice_is_a_duplicate(sandbox: Sandbox, gmail: Gmail) -> None:
    """Addresses are the same in any case, and whichever account mailed them."""
    send(gmail(), mail("Twice@x.example"))
    send(gmail("bob@acme.example"), mail("twice@X.example"))
    send(gmail(), mail("once@x.example"))
    assert get(f"{sandbox.url}/sandbox/duplicates").json() == {"twice@x.example": 2}


def test_a_deleted_draft_is_gone_and_never_was_a_mail(sandbox: Sandbox, gmail: Gmail) -> None:
    """Deleting answers 204, then 404."""
    client = gmail()
    path = f"{ME}/drafts/{draft(client)['id']}"
    codes = [answer.status_code for answer in (client.get(path), client.delete(path))]
    assert [*codes, client.delete(path).status_code] == [200, 204, 404]
    assert mails(sandbox) == []


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("", "Recipient address required"),
        ("nobody", "Invalid To header"),
        ("a b@corp.example", "Invalid To header"),
        ("a@b@corp.example", "Invalid To header"),
        ("lead@corp.example, broken@", "Invalid To header"),
        ("anyone@refused.example", "Invalid To header"),
        ("refused-7@corp.example", "Invalid To header"),
    ],
)
def test_a_recipient_that_gmail_refuses(
    sandbox: Sandbox, gmail: Gmail, to: str, message: str
) -> None:
    """Refused with 400 invalidArgument; nothing is accepted."""
    answer = send(gmail(), mail(to))
    assert (*reason(answer), answer.json()["error"]["message"]) == (400, "invalidArgument", message)
    assert mails(sandbox) == []


@pytest.mark.parametrize(
    ("to", "address"),
    [
        ('"Doe, Jane" <j.doe@corp.example>', "j.doe@corp.example"),
        ("=?utf-8?q?J=C3=B6rg?=\r\n <joerg@corp.example>", "joerg@corp.example"),
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("o'hara+x@sub.corp.example", "o'hara+x@sub.corp.example"),
    ],
)
def test_a_recipient_that_gmail_takes(
    sandbox: Sandbox, gmail: Gmail, to: str, address: str
) -> None:
    """Names, folded lines and non-ASCII addresses are read for what they are."""
    send(gmail(), mail(to)).raise_for_status()
    assert [row["to"] for row in mails(sandbox)] == [address]


def test_a_refused_draft_stays_a_draft(gmail: Gmail) -> None:
    """`refused…` may be drafted, not sent; at refused.example not even drafted."""
    client = gmail()
    made = draft(client, mail("refused@corp.example"))
    body = {"message": as_json(mail("a@refused.example"))}
    answers = send_draft(client, made["id"]), client.post(f"{ME}/drafts", json=body)
    assert [reason(a) for a in answers] == [(400, "invalidArgument")] * 2
    assert [d["id"] for d in client.get(f"{ME}/drafts").json()["drafts"]] == [made["id"]]


def test_uploads_bring_the_same_mail_as_json(sandbox: Sandbox, gmail: Gmail) -> None:
    """Media and multipart/related, as Google's clients write them, for mails and drafts."""
    client, raw = gmail(), mail("a@x.example", body="ü\r\n\r\n--load")
    first = send(client, raw).json()
    answered = sandbox.mailbox.sent()[0].message_id.encode()
    kind = {"Content-Type": 'multipart/related; boundary="=b="'}
    client.post(f"{UPLOAD}/messages/send?uploadType=media", content=raw, headers=RFC822)
    document = json.dumps({"message": {"threadId": first["threadId"]}}).encode()
    related = (
        b"--=b=\nContent-Type: application/json\n\n%b\n--=b=\nContent-Type: message/rfc822\n\n"
    )
    made = client.post(
        f"{UPLOAD}/drafts?uploadType=multipart",
        content=related % document + b"In-Reply-To: " + answered + b"\r\n" + raw + b"\n--=b=--",
        headers=kind,
    ).json()
    send_draft(client, made["id"]).raise_for_status()
    bodies = [m.read().partition(b"\r\n\r\n")[2] for m in sandbox.mailbox.sent()]
    assert bodies == ["ü\r\n\r\n--load\r\n".encode()] * 3
    threads = [m.thread_id == first["threadId"] for m in sandbox.mailbox.sent()]
    assert threads == [True, False, True]


def test_what_is_too_large_for_json_goes_by_upload(sandbox: Sandbox, gmail: Gmail) -> None:
    """JSON ends at 6.5 MiB, an upload at 35 MB."""
    client, raw = gmail(), mail() + b"x" * 5_500_000
    upload = f"{UPLOAD}/messages/send?uploadType=media"
    larger = client.post(upload, content=mail() + b"x" * 36_700_160, headers=RFC822)
    by_upload = client.post(upload, content=raw, headers=RFC822)
    assert [a.status_code for a in (send(client, raw), by_upload, larger)] == [413, 200, 413]
    assert len(mails(sandbox)) == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"raw": 5}', b'{"raw": "%%%"}', b"{}"])
def test_a_body_that_is_no_message_is_refused(gmail: Gmail, body: bytes) -> None:
    """Broken JSON, broken base64 and nothing at all are 400, never 500."""
    assert gmail().post(f"{ME}/messages/send", content=body).status_code == 400


# --- reading --------------------------------------------------------------------------------


def rich(token: str) -> bytes:
    message = EmailMessage()
    message["To"], message["Subject"] = "Lead <lead@corp.example>", "Grüße"
    message.set_content("plain\n")
    message.add_alternative(f"<p>Hel<b>lo</b> {token}</p>", subtype="html", cte="base64")
    message.add_attachment(b"%PDF" * 500, maintype="application", subtype="pdf", filename="ü.pdf")
    return message.as_bytes()


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("tok12abc", True),
        ("TOK12ABC in:sent", True),
        ("tok12", False),
        ("tok12abc in:drafts", False),
        ("to:lead@corp.example subject:grüße", True),
        ("to:else@corp.example", False),
        (f"from:{ADA}", True),
        ("after:1700000000", True),
        ("after:2999/01/01", False),
        ("-tok12abc", False),
        ('"lo tok12abc"', True),
    ],
)
def test_search_finds_what_gmail_finds(gmail: Gmail, q: str, found: bool) -> None:
    """Whole words of the decoded text, and the operators that a sender needs."""
    client = gmail()
    sent = send(client, rich("tok12abc")).json()
    listed = client.get(f"{ME}/messages", params={"q": q}).json()
    assert [m["id"] for m in listed.get("messages", [])] == ([sent["id"]] if found else [])


def test_our_message_id_finds_nothing_and_gmails_does(gmail: Gmail) -> None:
    """The real one is read with format=metadata."""
    client = gmail()
    sent = send(client).json()
    wanted = {"format": "metadata", "metadataHeaders": "Message-ID"}
    shown = client.get(f"{ME}/messages/{sent['id']}", params=wanted).json()
    (header,) = shown["payload"]["headers"]
    queries = [f"rfc822msgid:{value}" for value in ("ours@x", header["value"])]
    found = [client.get(f"{ME}/messages", params={"q": q}).json() for q in queries]
    assert [answer["resultSizeEstimate"] for answer in found] == [0, 1]


def test_a_message_shows_its_parts(gmail: Gmail) -> None:
    """format=full has the tree of parts with an id for the attachment; raw has the bytes."""
    client = gmail()
    path = f"{ME}/messages/{send(client, rich('word')).json()['id']}"
    payload = client.get(path).json()["payload"]
    identity = payload["parts"][1]["body"]["attachmentId"]
    attachment = client.get(f"{path}/attachments/{identity}").json()
    raw = client.get(path, params={"format": "raw"}).json()["raw"]
    kinds = [part["mimeType"] for part in payload["parts"][0]["parts"]]
    assert (kinds, payload["parts"][1]["filename"]) == (["text/plain", "text/html"], "ü.pdf")
    assert base64.urlsafe_b64decode(attachment["data"]) == b"%PDF" * 500
    assert message_from_bytes(base64.urlsafe_b64decode(raw))["To"] == "Lead <lead@corp.example>"


def test_a_thread_holds_the_sent_mail_of_its_draft(gmail: Gmail) -> None:
    """What settling looks at: the draft's thread, before and after."""
    client = gmail()
    made = draft(client)
    path = f"{ME}/threads/{made['message']['threadId']}"
    before = client.get(path, params={"format": "minimal"}).json()["messages"]
    send_draft(client, made["id"])
    after = client.get(path, params={"format": "minimal"}).json()["messages"]
    assert [[m["labelIds"] for m in found] for found in (before, after)] == [
        [["DRAFT"]],
        [["SENT"]],
    ]


def test_the_index_lags_for_search_alone(gmail: Gmail) -> None:
    """A mail just sent is in the list, and not yet found by `q`."""
    client = gmail()
    client.post("/sandbox/settings", json={"index_lag_seconds": 60}).raise_for_status()
    send(client)
    found = [client.get(f"{ME}/messages", params=p).json() for p in ({}, {"q": "hello"})]
    assert [answer["resultSizeEstimate"] for answer in found] == [1, 0]


def test_lists_come_in_pages_newest_first(gmail: Gmail) -> None:
    """Five mails in pages of two: all of them, each once."""
    client = gmail()
    sent = [send(client).json()["id"] for _ in range(5)]
    seen: list[str] = []
    params: dict[str, str] = {"maxResults": "2"}
    while True:
        answer = client.get(f"{ME}/messages", params=params).json()
        seen += [m["id"] for m in answer["messages"]]
        if "nextPageToken" not in answer:
            break
        params["pageToken"] = answer["nextPageToken"]
    assert seen == sent[::-1]


# --- faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("rate_limit_429", (429, "rateLimitExceeded")),
        ("rate_limit_403", (403, "rateLimitExceeded")),
        ("user_rate_limit_403", (403, "userRateLimitExceeded")),
        ("mail_sending_429", (429, "rateLimitExceeded")),
        ("daily_limit_403", (403, "dailyLimitExceeded")),
        ("quota_exceeded_403", (403, "quotaExceeded")),
        ("domain_policy_403", (403, "domainPolicy")),
        ("insufficient_permissions_403", (403, "insufficientPermissions")),
        ("delegation_denied_403", (403, "forbidden")),
        ("failed_precondition_400", (400, "failedPrecondition")),
        ("invalid_to_400", (400, "invalidArgument")),
        ("bad_request_400", (400, "badRequest")),
        ("too_large_413", (413, "uploadTooLarge")),
        ("unauthorized_401", (401, "authError")),
        ("server_error_500", (500, "backendError")),
        ("unavailable_503", (503, "backendError")),
    ],
)
def test_a_refusal_comes_before_acceptance(
    sandbox: Sandbox, gmail: Gmail, fault: str, answer: tuple[int, str]
) -> None:
    """Each row of FACTS's table of errors; nothing is accepted, and once is once."""
    client = gmail()
    arm(sandbox, fault, on="send", times=1)
    assert reason(send(client)) == answer
    assert mails(sandbox) == []
    assert send(client).status_code == 200


def test_the_mail_sending_limit_names_a_time(sandbox: Sandbox, gmail: Gmail) -> None:
    """In Gmail's words, two spaces included; other limits say it in Retry-After."""
    client = gmail()
    arm(sandbox, "mail_sending_429", on="messages.send", retry_after="2026-01-31T10:00:00.000Z")
    arm(sandbox, "rate_limit_429", on="profile", retry_after="7")
    message = "User-rate limit exceeded.  Retry after 2026-01-31T10:00:00.000Z (Mail sending)"
    assert send(client).json()["error"]["message"] == message
    assert client.get(f"{ME}/profile").headers["Retry-After"] == "7"


@pytest.mark.parametrize("fault", ["invalid_grant", "invalid_client", "unauthorized_client"])
def test_the_token_endpoint_fails_in_its_own_words(sandbox: Sandbox, fault: str) -> None:
    """OAuth's error, not the API's."""
    arm(sandbox, fault, account=ADA)
    answers = [refresh(sandbox, f"sandbox:{who}") for who in (ADA, "bob@acme.example")]
    assert answers[0].json()["error"] == fault
    assert answers[1].status_code == 200


def raw_post(
    sandbox: Sandbox, client: httpx.Client, timeout: float = 10, body_part: float = 1
) -> bytes:
    """One send (or a part of it) over a bare socket; what arrives until the connection ends."""
    body = json.dumps(as_json(mail())).encode()
    head = (
        f"POST {ME}/messages/send HTTP/1.1\r\nHost: {urlsplit(sandbox.url).netloc}\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    received = b""
    with socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port or 0)) as connection:
        connection.settimeout(timeout)
        connection.sendall(head.encode() + body[: int(len(body) * body_part)])
        if body_part < 1:
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            received += piece
    return received


def test_a_request_that_ends_halfway_is_no_mail(sandbox: Sandbox, gmail: Gmail) -> None:
    """A client killed while it posts: the sandbox accepts whole requests only."""
    assert not raw_post(sandbox, gmail(), body_part=0.5).startswith(b"HTTP/1.1 200")
    assert mails(sandbox) == []


@pytest.mark.parametrize(("prefix", "accepted"), [("", 0), ("accept_then_", 1)])
def test_a_connection_closed_without_an_answer(
    sandbox: Sandbox, gmail: Gmail, prefix: str, accepted: int
) -> None:
    """The client reads the end of the stream and not one byte."""
    arm(sandbox, f"{prefix}close", on="send")
    assert raw_post(sandbox, gmail()) == b""
    assert len(mails(sandbox)) == accepted


@pytest.mark.parametrize(("prefix", "accepted"), [("", 0), ("accept_then_", 1)])
def test_a_connection_reset(sandbox: Sandbox, gmail: Gmail, prefix: str, accepted: int) -> None:
    """A real TCP RST, which is not the same as an end."""
    arm(sandbox, f"{prefix}reset", on="send")
    client = gmail()
    with pytest.raises(ConnectionResetError):
        raw_post(sandbox, client)
    assert len(mails(sandbox)) == accepted


@pytest.mark.parametrize(("prefix", "accepted"), [("", 0), ("accept_then_", 1)])
def test_an_answer_cut_off(sandbox: Sandbox, gmail: Gmail, prefix: str, accepted: int) -> None:
    """A 200 that promises more bytes than it brings."""
    arm(sandbox, f"{prefix}cut", on="send")
    head, _, body = raw_post(sandbox, gmail()).partition(b"\r\n\r\n")
    promised = re.search(rb"content-length: (\d+)", head.lower())
    assert head.startswith(b"HTTP/1.1 200")
    assert promised is not None
    assert 0 < len(body) < int(promised[1])
    assert len(mails(sandbox)) == accepted


@pytest.mark.parametrize(("prefix", "accepted"), [("", 0), ("accept_then_", 1)])
def test_an_answer_that_does_not_come(
    sandbox: Sandbox, gmail: Gmail, prefix: str, accepted: int
) -> None:
    """The client gives up first; the sandbox ends with the stall still going on elsewhere."""
    arm(sandbox, f"{prefix}stall", on="send", seconds=60)
    client = gmail()
    with pytest.raises(TimeoutError):
        raw_post(sandbox, client, timeout=0.2)
    assert len(mails(sandbox)) == accepted


def test_a_stall_that_ends_brings_the_answer_only_when_accepted(
    sandbox: Sandbox, gmail: Gmail
) -> None:
    """Before acceptance the connection closes; after it the late answer is a good one."""
    client = gmail()
    arm(sandbox, "stall", on="send", seconds=0.05, times=1)
    arm(sandbox, "accept_then_stall", on="send", seconds=0.05, times=1)
    assert raw_post(sandbox, client) == b""
    assert send(client).json()["id"] == mails(sandbox)[0]["id"]


@pytest.mark.parametrize("code", [500, 503])
def test_an_error_after_the_mail_was_accepted(sandbox: Sandbox, gmail: Gmail, code: int) -> None:
    """The answer says no and the mail has left; a draft is gone all the same."""
    client = gmail()
    made = draft(client)
    arm(sandbox, f"accept_then_{code}", on="send")
    assert send_draft(client, made["id"]).status_code == code
    assert send(client).status_code == code
    assert [m["via"] for m in mails(sandbox)] == ["drafts.send", "messages.send"]


def test_a_fault_strikes_when_and_whom_it_should(sandbox: Sandbox, gmail: Gmail) -> None:
    """After `skip` matches each `every`-th, `times` in all, for this account and address."""
    ada, bob = gmail(), gmail("bob@acme.example")
    arm(
        sandbox,
        "unavailable_503",
        on="send",
        account=ADA,
        to="a@x.example",
        skip=1,
        every=2,
        times=2,
    )
    assert send(bob, mail("a@x.example")).status_code == 200
    assert send(ada, mail("b@x.example")).status_code == 200
    codes = [send(ada, mail("a@x.example")).status_code for _ in range(7)]
    assert codes == [200, 200, 503, 200, 503, 200, 200]
    (armed,) = get(f"{sandbox.url}/sandbox/faults").json()
    assert (armed["fault"], armed["fired"]) == ("unavailable_503", 2)


def test_a_fault_on_a_draft_knows_its_recipient(sandbox: Sandbox, gmail: Gmail) -> None:
    """drafts.send carries only an id; the address is the draft's."""
    client = gmail()
    made = [draft(client, mail(to)) for to in ("a@x.example", "b@x.example")]
    arm(sandbox, "server_error_500", on="drafts.send", to="B@x.example")
    assert [send_draft(client, d["id"]).status_code for d in made] == [200, 500]


def test_a_fault_that_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    """A typo in a test must not look like a sandbox that behaves."""
    wrong = [
        {"fault": "explode"},
        {"fault": "close", "on": "mesages.send"},
        {"fault": "invalid_grant", "on": "messages.send"},
        {"fault": "close", "time": 1},
    ]
    url = f"{sandbox.url}/sandbox/faults"
    assert [post(url, json=body).status_code for body in wrong] == [400] * 4
    assert get(url).json() == []


def test_clearing_faults_and_counting_requests(sandbox: Sandbox, gmail: Gmail) -> None:
    """Broken requests count too: they are how often a client really posted."""
    client = gmail()
    arm(sandbox, "close", on="*")
    with pytest.raises(httpx.RemoteProtocolError):
        send(client)
    assert client.delete("/sandbox/faults").json() == {"cleared": 1}
    send(client)
    assert client.get("/sandbox/requests").json() == {"token": 1, "messages.send": 2}


# --- consent --------------------------------------------------------------------------------

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
ASKED = {
    "client_id": "app",
    "redirect_uri": "http://127.0.0.1:8400/done",
    "response_type": "code",
    "scope": "https://www.googleapis.com/auth/gmail.compose openid email",
    "state": "s&1",
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
}


def decide(sandbox: Sandbox, decision: str, **changes: str) -> httpx.Response:
    form = {**ASKED, "decision": decision, "email": ADA, "granted": "compose", **changes}
    return post(sandbox.url + AUTH, data=form)


def returned(response: httpx.Response) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(response.headers["location"]).query).items()}


def exchange(sandbox: Sandbox, code: str, verifier: str = VERIFIER) -> httpx.Response:
    form = {name: ASKED[name] for name in ("client_id", "redirect_uri")} | {"client_secret": "s"}
    grant = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    return post(sandbox.token_url, data=form | grant)


def test_a_person_allows_an_app_to_mail(sandbox: Sandbox) -> None:
    """The page, the code with the state, the tokens; the code works once."""
    shown = get(sandbox.url + AUTH, params=ASKED)
    back = returned(decide(sandbox, "allow"))
    tokens, again = exchange(sandbox, back["code"]), exchange(sandbox, back["code"])
    assert (shown.status_code, back["state"]) == (200, "s&1")
    assert tokens.json()["refresh_token"] == f"sandbox:{ADA}:compose"
    assert again.json()["error"] == "invalid_grant"


def test_the_first_tokens_tell_who_consented_to_what(sandbox: Sandbox) -> None:
    """Scopes as Google names them, and an id token with the address; those unticked are left out."""
    scope = "https://www.googleapis.com/auth/gmail.send https://mail.google.com/ openid email"
    back = returned(decide(sandbox, "allow", scope=scope, granted="send"))
    tokens = exchange(sandbox, back["code"]).json()
    granted = "https://www.googleapis.com/auth/gmail.send"
    who = "openid https://www.googleapis.com/auth/userinfo.email"
    claims = google.auth.jwt.decode(tokens["id_token"], verify=False)
    assert back["scope"] == tokens["scope"] == f"{granted} {who}"
    assert (claims["email"], claims["aud"]) == (ADA, "app")
    assert tokens["refresh_token"] == f"sandbox:{ADA}:send"


def test_a_desktop_app_sends_its_secret_too(sandbox: Sandbox) -> None:
    """A code is not exchanged without it, as at Google; it stays good."""
    code = returned(decide(sandbox, "allow"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "client_id": "app"}
    refused = post(sandbox.token_url, data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert exchange(sandbox, code).status_code == 200


def test_a_stolen_code_is_worth_nothing(sandbox: Sandbox) -> None:
    """Without the verifier whose hash the page was given, there is no token."""
    code = returned(decide(sandbox, "allow"))["code"]
    assert exchange(sandbox, code, "w" * 43).json()["error_description"] == "Invalid code verifier."


def test_a_person_denies(sandbox: Sandbox) -> None:
    """The app hears access_denied and its state."""
    assert returned(decide(sandbox, "deny")) == {"error": "access_denied", "state": "s&1"}


def test_consent_goes_nowhere_but_to_this_machine(sandbox: Sandbox) -> None:
    """Another redirect address, method or response type is shown to the person, not followed."""
    wrong = [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"scope": "openid"},
    ]
    assert [decide(sandbox, "allow", **w).status_code for w in wrong] == [400] * 5


# --- the page, the data folder, the process -------------------------------------------------


def hostile() -> bytes:
    message = EmailMessage()
    message["To"], message["Subject"] = "lead@corp.example", "<script>alert(1)</script>"
    message.set_content("<script>alert(2)</script>")
    message.add_alternative("<link rel=preconnect href=//x><script>3</script>", subtype="html")
    message.add_attachment(b"<script>4</script>", "text", "html", filename='"><script>.html')
    return message.as_bytes()


def test_a_hostile_mail_executes_nothing(gmail: Gmail) -> None:
    """Escaped on our pages; its own HTML only in a sandbox that loads nothing from anywhere."""
    client = gmail()
    base = f"/mails/{send(client, hostile()).json()['id']}"
    shown, inner = client.get("/").text + client.get(base).text, client.get(f"{base}/html")
    download = client.get(re.findall(r'href="(/mails/\w+/parts/[^"]+)"', shown)[0])
    policy = inner.headers["Content-Security-Policy"]
    assert "<script" not in shown
    assert "&lt;script&gt;alert(2)" in shown
    assert policy.startswith("sandbox; default-src 'none';")
    assert "<link" not in inner.text
    assert download.headers["Content-Disposition"].startswith("attachment;")
    assert download.headers["Content-Type"] == "application/octet-stream"


def test_people_find_mails_and_drafts(gmail: Gmail) -> None:
    """By a piece of an address or by a word of the text; pages that are missing say so."""
    client = gmail()
    send(client, mail("first@x.example", body="apple"))
    send(client, mail("second@x.example", body="pear"))
    made = draft(client, mail("third@x.example"))
    assert "second@" not in client.get("/", params={"q": "apple"}).text
    assert "first@" not in client.get("/", params={"q": "secon"}).text
    assert "third@" in client.get(f"/drafts/{made['id']}").text
    missing = client.get("/mails/none", headers={"Accept": "text/html"})
    assert (missing.status_code, client.get("/faults").status_code) == (404, 200)


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_web_pages_cannot_reach_in(sandbox: Sandbox, header: dict[str, str]) -> None:
    """Neither by a name that resolves to loopback nor from another origin."""
    assert post(f"{sandbox.url}/sandbox/reset", headers=header).status_code == 403


def test_a_data_folder_outlives_the_sandbox(tmp_path: Path) -> None:
    """Mails are there again, in order; half a line that a kill left behind harms nothing."""
    for n in range(3):
        with serve(data=tmp_path) as sandbox:
            token = refresh(sandbox, f"sandbox:{ADA}").json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=sandbox.url, headers=headers, verify=TLS) as client:
                send(client, mail(f"l{n}@x.example")).raise_for_status()
            found = mails(sandbox)
            raws = [message_from_bytes(m.read())["Message-ID"] for m in sandbox.mailbox.sent()]
        with (tmp_path / "mails.jsonl").open("a") as index:
            index.write('{"id": "1')
    assert [m["to"] for m in found] == ["l0@x.example", "l1@x.example", "l2@x.example"]
    assert raws == [m["message_id_header"] for m in found]


def test_a_reset_forgets_everything(tmp_path: Path) -> None:
    """The mails and their files too."""
    with serve(data=tmp_path) as sandbox:
        sandbox.mailbox.send(ADA, mail())
        arm(sandbox, "close", on="send")
        post(f"{sandbox.url}/sandbox/reset").raise_for_status()
        seen = mails(sandbox), get(f"{sandbox.url}/sandbox/faults").json()
    assert (seen, list(tmp_path.rglob("*.eml"))) == (([], []), [])


def test_as_a_process_it_says_where_it_is_and_ends_by_ctrl_c() -> None:
    """One line when it is ready; exit status 0 after SIGINT."""
    command = [sys.executable, "-m", "gmail_sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"Gmail sandbox on (http://127\.0\.0\.1:\d+)\n", line)
        assert found is not None
        assert get(f"{found[1]}/sandbox/mails").json() == []
        process.send_signal(signal.SIGINT)
        assert (process.stdout.read(), process.wait(timeout=10)) == ("", 0)
