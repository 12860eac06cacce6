#!/usr/bin/env bash
# A server that is given a listening socket, made by Python's own socket.create_server (to know its port, or to inherit
# it), would be expected to answer as fast as one that is given host and port.
# asyncio turns Nagle's algorithm off (TCP_NODELAY) only on a connection whose socket names TCP as its protocol, and those
# of socket.create_server have 0 there, so their connections have it on: on a kept connection an answer that is written
# in two parts, as HTTP's headers and body, waits some 40 ms for the client's acknowledgement. uvloop turns it off always.
# Seen with the asyncio of Python 3.11 and uvloop 0.23.0; uvicorn's `sockets=` takes this way. Setting the option on the
# listening socket helps: accepted connections inherit it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uvloop==0.23.0
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import asyncio
import platform
import socket
import sys

import uvloop


async def undelayed(**where):
    """Whether a connection to such a server has TCP_NODELAY."""
    loop = asyncio.get_running_loop()
    accepted = loop.create_future()

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            connection = transport.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
            transport.close()

    server = await loop.create_server(Server, **where)
    with socket.create_connection(server.sockets[0].getsockname()):
        found = await accepted
    server.close()
    return found


async def all_three():
    address = "127.0.0.1", 0
    helped = socket.create_server(address)
    helped.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return [
        await undelayed(host=address[0], port=address[1]),
        await undelayed(sock=socket.create_server(address)),
        await undelayed(sock=helped),
    ]


print("Python", platform.python_version(), "- TCP_NODELAY of: host and port, create_server, create_server with the option")
seen = asyncio.run(all_three()), uvloop.run(all_three())
for name, found in zip(("asyncio", "uvloop"), seen, strict=True):
    print(f"{name}: expected {[True] * 3}, seen {found}")
if seen != ([True, False, True], [True, True, True]):
    sys.exit("Changed: a socket of create_server has another setting than before.")
END
