"""Mail between two accounts of the sandbox, and Google's verdict above each mail that comes in."""

from email.utils import parseaddr

from gmail_sandbox.envelope import Envelope
from gmail_sandbox.mail import Message
from gmail_sandbox.state import Authentication, State
from outreach.mail.addresses import without_tag


def hand_over(state: State, message: Message) -> None:
    """Deliver it to each recipient with a mailbox here, but not to the sender's own."""
    for address in dict.fromkeys(map(without_tag, message.recipients)):
        if address != message.account and state.mailbox.has_account(address):
            raw = with_verdict(message.read(), state.behaviour.authentication)
            state.mailbox.receive(address, raw)


def with_verdict(raw: bytes, found: Authentication) -> bytes:
    """The mail as Gmail stores it: its verdict is above all fields that came with the mail."""
    _, sender = parseaddr(Envelope.of(raw).first("from") or "")
    return _field(sender.lower(), found).encode() + raw


def _field(sender: str, found: Authentication) -> str:
    domain = sender.rpartition("@")[2]
    signer, selector = domain, "google"
    if found == "unsigned":
        signer, selector = f"{domain.replace('.', '-')}.20230601.gappssmtp.com", "20230601"
    spf = f"pass (google.com: domain of {sender} designates 209.85.220.41 as permitted sender)"
    if found == "fail":
        spf = f"fail (google.com: domain of {sender} does not designate 209.85.220.41)"
    result = "fail" if found == "fail" else "pass"
    lines = (
        "Authentication-Results: mx.google.com;",
        f"       dkim={result} header.i=@{signer} header.s={selector} header.b=c2FuZGJv;",
        f"       spf={spf} smtp.mailfrom={sender};",
        f"       dmarc={result} (p=NONE sp=NONE dis=NONE) header.from={domain}",
        "",
    )
    return "\r\n".join(lines)
