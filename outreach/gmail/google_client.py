"""Google's client: builds the requests of the Gmail API, and reads their responses.

A command imports it at its first request: a token, which a check asks for, needs none of it.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import httplib2
import requests
import urllib3
from google.auth.credentials import Credentials
from googleapiclient import discovery, discovery_cache
from googleapiclient.errors import MediaUploadSizeError
from googleapiclient.http import MediaUpload

from outreach.errors import RecipientRefused, TemporarilyUnavailable
from outreach.gmail.transport import MOST, Connections, body_of
from outreach.mail.mime import Mail


@dataclass(frozen=True, slots=True)
class Api:
    """Google's request builders, by resource."""

    users: Any
    drafts: Any
    messages: Any
    threads: Any
    history: Any

    def uploading(
        self, method: Callable[..., Any], mail: Mail, about: dict[str, Any] | None = None
    ) -> Any:
        """The request with the mail as media: JSON's `raw` is larger, slower, and ends at 6.5 MiB.

        `about` goes beside it, as JSON. Raises RecipientRefused.
        """
        try:
            request = method(userId="me", media_body=_Whole(mail))
        except MediaUploadSizeError:
            raise RecipientRefused("The mail is too large for Gmail: over 35 MB.") from None
        return request if about is None else _in_two_parts(request, mail, about)

    def http(self, credentials: Credentials, connections: Connections, limit: int = MOST) -> "Http":
        return Http(credentials, connections, limit)


@cache
def api(url: str) -> Api:
    """The Gmail API at `url`, from the discovery document that comes with Google's client.

    The document is patched, because the client option for the endpoint does not move media uploads.
    """
    root = url.rstrip("/") + "/"
    document = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
    document |= {"rootUrl": root, "baseUrl": root, "mtlsRootUrl": root}
    nothing = object()  # in the place of an http: each request gets its own
    users = discovery.build_from_document(document, http=nothing).users()
    return Api(
        users=users,
        drafts=users.drafts(),
        messages=users.messages(),
        threads=users.threads(),
        history=users.history(),
    )


class Http:
    """The `http` object for Google's client: one account's access to Gmail.

    `limit`: octets of a response that are read.
    """

    def __init__(self, credentials: Credentials, connections: Connections, limit: int) -> None:
        self._credentials = credentials
        self._connections = connections
        self._limit = limit

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Mail | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[httplib2.Response, bytes]:
        """Repeats a request only after a 401, which is a refusal: once, with a new token."""
        latest = time.monotonic() + self._connections.timeout
        answer = self._send(uri, method, body, headers or {}, latest)
        if answer.status == requests.codes.unauthorized:
            body_of(answer)
            self._credentials.refresh(None)  # type: ignore[no-untyped-call]
            answer = self._send(uri, method, body, headers or {}, latest)
        response = httplib2.Response({**answer.headers, "status": str(answer.status)})
        return response, body_of(answer, self._limit)

    def _send(
        self,
        uri: str,
        method: str,
        body: Mail | str | None,
        headers: Mapping[str, str],
        latest: float,
    ) -> urllib3.BaseHTTPResponse:
        """A post must not wait long for a new token: its attempt could already be reconciled."""
        octets = body.encode() if isinstance(body, str) else body
        given = {name.lower(): value for name, value in headers.items()}
        if method != "GET":
            given["content-length"] = str(len(octets or b""))
        self._credentials.before_request(None, method, uri, given)  # type: ignore[no-untyped-call]
        if time.monotonic() > latest:
            raise TemporarilyUnavailable("Renewing the access token took too long; nothing left.")
        return self._connections.send(method, uri, octets, given)


def _in_two_parts(request: Any, mail: Mail, about: dict[str, Any]) -> Any:
    """As multipart/related; Google's client would copy the mail, and fails beyond ASCII."""
    boundary = uuid4().hex
    request.uri = request.uri.replace("uploadType=media", "uploadType=multipart")
    request.headers["content-type"] = f'multipart/related; boundary="{boundary}"'
    head = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(about)}"
        f"\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    request.body = Mail(head.encode(), *mail, f"\r\n--{boundary}--\r\n".encode())
    return request


class _Whole(MediaUpload):  # type: ignore[misc]
    """A mail as an upload of Google's client, in its own pieces: nothing is copied."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    def mimetype(self) -> str:
        return "message/rfc822"

    def size(self) -> int:
        return len(self._mail)

    def resumable(self) -> bool:
        return False

    def getbytes(self, begin: int, end: int) -> Mail:  # noqa: ARG002 - all of it is asked for
        return self._mail
