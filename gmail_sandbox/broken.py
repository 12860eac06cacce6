"""Responses that never arrive whole. ASGI cannot break a connection; uvicorn's protocol can."""

import asyncio
import socket
import struct

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gmail_sandbox.faults import Fault

UNFINISHED = b'{"id": "19a9d2f1c04b7e35", "threadId": "19a9d2f1c04b7e35", "labelIds": ["SENT"]}'


class Connection(H11Protocol):
    """Uvicorn's protocol; each request finds its connection in `scope["state"]`."""

    stalled = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets with an explicit protocol number; without it each
        # response waits 40 ms for the client's delayed ACK.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "connection": self}

    def close(self) -> None:
        """End it as an orderly shutdown of a server does: written bytes arrive, then FIN."""
        self.transport.close()

    def reset(self) -> None:
        """End it with a TCP reset: a linger time of 0 makes the kernel send RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Broken(Response):
    """Breaks the connection as the fault says, instead of a response or in the middle of it."""

    def __init__(self, how: str, seconds: float = 0, answer: Response | None = None) -> None:
        super().__init__()
        self.how = how
        self.seconds = seconds
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"]["connection"]
        if self.how == "stall" and not await _stall(connection, receive, self.seconds):
            if self.answer is not None:
                await self.answer(scope, receive, send)
                return
            connection.close()
        elif self.how == "cut":
            await _cut(bytes(self.answer.body) if self.answer else UNFINISHED, send)
            connection.close()
        elif self.how == "reset":
            connection.reset()
        else:
            connection.close()
        await _until_gone(receive)


async def _stall(connection: Connection, receive: Receive, seconds: float) -> bool:
    """Send nothing for `seconds`; returns whether the client gave up meanwhile."""
    connection.stalled = True
    try:
        await asyncio.wait_for(_until_gone(receive), seconds)
    except TimeoutError:
        return False
    finally:
        connection.stalled = False
    return True


async def _cut(content: bytes, send: Send) -> None:
    length = str(len(content)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    half = content[: len(content) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def before(fault: Fault) -> Response:
    """The break of a fault that strikes before acceptance."""
    return Broken(fault.fault, fault.seconds)


def after(fault: Fault, answer: Response) -> Response:
    """The break after acceptance: this response gets lost."""
    return Broken(fault.after or "close", fault.seconds, answer)
