"""A Gmail on loopback that costs next to nothing: `python -m benchmarks.gmail LATENCY`.

It prints its port and serves until it is terminated. It answers what the sender asks of Gmail on
the way of a mail, each request after LATENCY seconds, and notes of each mail when it came, which
account sent it and to whom. The sandbox keeps and parses every mail; here that would be measured.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qs

TO = re.compile(rb"^To:.*?([^\s<>]+@[^\s<>]+)", re.MULTILINE)
HEAD = 4096
"""Octets of a request's body that are looked at; the rest is only received."""


class Post(NamedTuple):
    at: float
    """On the machine's monotonic clock, which all its processes share."""
    account: str
    to: str


class Gmail:
    """What has come in, and the drafts that nobody has sent yet."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.posts: list[Post] = []
        self.drafts: dict[str, str] = {}
        self.count = 0

    def answer(self, request: "Request") -> tuple[int, object, float]:
        """Status, content, and the seconds until the answer leaves."""
        match (
            request.method,
            request.path.removeprefix("/upload").removeprefix("/gmail/v1/users/me"),
        ):
            case "POST", "/token":
                return 200, _token(request.body), 0
            case "POST", "/messages/send":
                return 200, self._send(request.account, _recipient(request.body)), self.latency
            case "POST", "/drafts":
                draft = self._id("r")
                self.drafts[draft] = _recipient(request.body)
                message = {"id": self._id("m"), "threadId": f"t{draft}"}
                return 200, {"id": draft, "message": message}, self.latency
            case "POST", "/drafts/send":
                to = self.drafts.pop(json.loads(request.body)["id"], None)
                if to is not None:
                    return 200, self._send(request.account, to), self.latency
            case "GET", "/profile" | "/history" | "/messages":
                return 200, {"historyId": "1"}, self.latency  # nothing comes back
            case "GET", path if path.startswith("/threads/"):
                return 200, {"messages": []}, self.latency
            case "DELETE", "/bench/posts":  # in one step: one that comes between two would be lost
                posts, self.posts = self.posts, []
                return 200, posts, 0
        return 404, {"error": {"code": 404, "errors": [{"reason": "notFound"}]}}, self.latency

    def _send(self, account: str, to: str) -> object:
        self.posts.append(Post(time.monotonic(), account, to))
        message = self._id("m")
        return {"id": message, "threadId": f"t{message}", "labelIds": ["SENT"]}

    def _id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"


class Request(NamedTuple):
    method: str
    path: str
    account: str
    body: bytes
    """Its first octets."""


def _token(body: bytes) -> object:
    """The access token is the account; a refresh token names its scope, as the sandbox's do."""
    _, account, scope = parse_qs(body.decode())["refresh_token"][0].split(":")
    return {
        "access_token": account,
        "expires_in": 86400,
        "scope": f"https://www.googleapis.com/auth/gmail.{scope}",
        "token_type": "Bearer",
    }


def _recipient(body: bytes) -> str:
    found = TO.search(body)
    return found[1].decode() if found else ""


class Connection(asyncio.BufferedProtocol):
    """HTTP/1.1 as our clients speak it: a length, one request at a time, kept alive."""

    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail
        self._buffer = memoryview(bytearray(256 * 1024))
        self._head = b""
        self._missing: int | None = None
        """Octets of the body that have not come yet; None while the header is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._missing is None:
            self._begin(bytes(self._buffer[:nbytes]))
        else:
            room = HEAD - len(self._head)
            if room > 0:
                self._head += bytes(self._buffer[: min(nbytes, room)])
            self._missing -= nbytes
        if self._missing is not None and self._missing <= 0:
            self._missing = None
            self._answer()

    def _begin(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = self._head[:end].decode("latin-1").split("\r\n")
        self._line = lines[0].split()
        self._fields = dict(_field(line) for line in lines[1:])
        arrived = len(self._head) - end - 4
        self._head = self._head[end + 4 : end + 4 + HEAD]
        self._missing = int(self._fields.get("content-length", "0")) - arrived

    def _answer(self) -> None:
        account = self._fields.get("authorization", "").removeprefix("Bearer ")
        path = self._line[1].split("?")[0]
        request = Request(self._line[0], path, account, self._head)
        self._head = b""
        status, content, delay = self._gmail.answer(request)
        body = json.dumps(content).encode()
        answer = (
            f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        write: Callable[[], None] = lambda: self._transport.write(answer)  # noqa: E731
        if delay:
            asyncio.get_running_loop().call_later(delay, write)
        else:
            write()


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


async def serve(latency: float) -> None:
    gmail = Gmail(latency)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(gmail), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(serve(float(sys.argv[1])))
