"""A small recursive DNS server on loopback: real messages by UDP and TCP, records as a test says.

No test asks the real DNS.
"""

import contextlib
import socketserver
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from threading import Thread
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SOA = "ns.test. hostmaster.test. 1 7200 900 1209600 300"


class DnsServer:
    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        """Questions, as in `acme.example MX`."""
        self._records: dict[str, dict[str, list[str]]] = defaultdict(dict)
        self._ttl: dict[str, int] = {}
        self._faults: dict[str, str] = {}
        self.address = ""
        """For DNS_SERVERS."""

    def add(self, name: str, kind: str, *values: str, ttl: int = 300) -> None:
        self._records[name][kind] = list(values)
        self._ttl[name] = ttl

    def text(self, name: str, *texts: str) -> None:
        self.add(name, "TXT", *(f'"{text}"' for text in texts))

    def fault(self, name: str, fault: str) -> None:
        """Of a name, of `NAME KIND` or of `*`: `silent`, `SERVFAIL`, `REFUSED`, `referral`."""
        self._faults[name] = fault

    def answer(self, wire: bytes, *, largest: int) -> bytes | None:
        query = dns.message.from_wire(wire)
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[f"{name} {kind}"] += 1
        asked = (name, f"{name} {kind}", "*")
        fault = next((self._faults[one] for one in asked if one in self._faults), None)
        if fault == "silent":
            return None
        response = dns.message.make_response(query, recursion_available=fault != "referral")
        if fault == "referral":
            response.authority.append(dns.rrset.from_text("test.", 300, "IN", "NS", "ns.test."))
        elif fault:
            response.set_rcode(dns.rcode.from_text(fault))
        else:
            self._fill(response, name, kind)
        return _written(response, largest)

    def _fill(self, response: Any, name: str, kind: str) -> None:
        for _ in range(20):
            found = self._records.get(name, {})
            if values := found.get(kind):
                response.answer.append(self._rrset(name, kind, values))
                return
            if "CNAME" not in found:
                break
            response.answer.append(self._rrset(name, "CNAME", found["CNAME"]))
            name = found["CNAME"][0].rstrip(".")
        response.authority.append(dns.rrset.from_text(".", 300, "IN", "SOA", SOA))
        if not any(one == name or one.endswith(f".{name}") for one in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)

    def _rrset(self, name: str, kind: str, values: list[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text_list(f"{name}.", self._ttl[name], "IN", kind, values)


def _written(response: Any, largest: int) -> bytes:
    try:
        wire: bytes = response.to_wire(max_size=largest)
    except dns.exception.TooBig:
        response.answer.clear()
        response.flags |= dns.flags.TC
        wire = response.to_wire()
    return wire


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, socket = self.request
        if answer := self.server.zones.answer(wire, largest=1232):  # type: ignore[attr-defined]
            with contextlib.suppress(OSError):  # the test is over
                socket.sendto(answer, self.client_address)


class _Tcp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        [length] = struct.unpack("!H", self.rfile.read(2))
        answer = self.server.zones.answer(self.rfile.read(length), largest=65535)  # type: ignore[attr-defined]
        if answer:
            self.wfile.write(struct.pack("!H", len(answer)) + answer)


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextlib.contextmanager
def serve_dns() -> Iterator[DnsServer]:
    zones = DnsServer()
    with contextlib.ExitStack() as stack:
        udp, tcp = stack.enter_context(_pair())
        for server in (udp, tcp):
            server.zones = zones  # type: ignore[attr-defined]
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
        zones.address = "{}:{}".format(*udp.server_address)
        yield zones


_served: set[object] = set()
"""The addresses of this process so far."""


@contextlib.contextmanager
def _pair() -> Iterator[tuple[_UdpServer, _TcpServer]]:
    """Both on one port, which is free for both, and new: answers are cached by the server's address."""
    for _ in range(20):
        with _UdpServer(("127.0.0.1", 0), _Udp) as udp:
            if udp.server_address in _served:
                continue
            try:
                tcp = _TcpServer(udp.server_address, _Tcp)
            except OSError:
                continue
            _served.add(udp.server_address)
            with tcp:
                yield udp, tcp
                return
    raise OSError("no port is free for UDP and TCP")
