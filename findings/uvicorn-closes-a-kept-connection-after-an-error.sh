#!/usr/bin/env bash
# A Starlette app under uvicorn, whose endpoint raises: the client gets 500. The answer has no "Connection: close", so
# that with HTTP/1.1 the connection would be expected to stay open, as it does after each other answer, also a 500 from
# a handler that is registered for the error's own class.
# It is closed right behind the answer. Starlette sends its 500 and raises the error on, also where a handler for
# Exception is registered, and uvicorn then drops the connection. A client with a pool learns of it at its next
# request, which ends in a reset if it comes at once; a POST is not sent again, so one failed call looks like two.
# Seen with uvicorn 0.54.0, with h11 0.16.0 and with httptools 0.9.0, and Starlette 1.10.0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  uvicorn==0.54.0 h11==0.16.0 httptools==0.9.0 starlette==1.10.0
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import asyncio
import sys
from importlib.metadata import version

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class Known(Exception):
    pass


def fails(error):
    async def endpoint(request):
        raise error

    return endpoint


async def answer(request, error):
    return PlainTextResponse("error", status_code=500)


async def fine(request):
    return PlainTextResponse("fine")


ROUTES = [Route("/fine", fine), Route("/known", fails(Known())), Route("/other", fails(RuntimeError()))]
APPS = {
    "without a handler for Exception": Starlette(routes=ROUTES, exception_handlers={Known: answer}),
    "with a handler for Exception": Starlette(routes=ROUTES, exception_handlers={Known: answer, Exception: answer}),
}
STATED = {"/fine": (200, False, "open"), "/known": (500, False, "open"), "/other": (500, False, "closed")}


async def one(port, path):
    """The status, whether the answer says that the connection closes, and what the connection then is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    try:
        rest = await asyncio.wait_for(reader.read(1), 0.5)
        state = "more" if rest else "closed"
    except TimeoutError:
        state = "open"
    writer.close()
    return int(head.split()[1]), b"connection: close" in head, state


async def served(app, http):
    config = uvicorn.Config(app, port=0, http=http, lifespan="off", log_level="critical", timeout_keep_alive=30)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    found = {path: await one(port, path) for path in STATED}
    server.should_exit = True
    await running
    return found


print("uvicorn", version("uvicorn"), "Starlette", version("starlette"))
print("expected: open after each answer, as none says that the connection closes")
changed = False
for about, app in APPS.items():
    for http in ("h11", "httptools"):
        found = asyncio.run(served(app, http))
        told = ", ".join(f"{path} {status} {now}" for path, (status, _, now) in found.items())
        print(f"seen: {http}, {about}: {told}")
        changed = changed or found != STATED
if changed:
    sys.exit("Changed: an error leaves its connection otherwise, or says that it closes it.")
END
