"""A web server behind TLS on the loopback, and a certificate for any name."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from select import select
from socket import create_connection, socket


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: what it was asked is in the answer."""


class Proxy(Quiet):
    port = 0
    """Where it leads, whatever it is asked for."""
    asked: list[str]

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        with create_connection(("127.0.0.1", self.port)) as there:
            self.send_response(200)
            self.end_headers()
            _joined(self.connection, there)


def _joined(one: socket, other: socket) -> None:
    while True:
        for end in select([one, other], [], [])[0]:
            octets = end.recv(65536)
            if not octets:
                return
            (other if end is one else one).sendall(octets)


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate_of(name: str, folder: Path) -> Path:
    """Key and certificate of a host in one file, signed by nobody else."""
    both = folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", both,
         "-out", both.with_suffix(".crt"), "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    with both.open("a") as pem:
        pem.write(both.with_suffix(".crt").read_text())
    return both


def context_of(certificate: Path) -> ssl.SSLContext:
    """What a server behind TLS is made with."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls
