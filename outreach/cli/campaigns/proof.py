"""The proof of `outreach campaigns test-send`: how the test arrived at another account of ours."""

from typing import TYPE_CHECKING

from outreach.cli.output import progress

if TYPE_CHECKING:
    from outreach.campaign.models import Account
    from outreach.delivery.proof import Proof
    from outreach.wiring import Services


def proof_of(
    services: "Services", sender: "Account", address: str, token: str, seconds: float
) -> "Proof | None":
    """How the test arrived; None where the address is no other account of ours."""
    from outreach.delivery.proof import wait_for_proof
    from outreach.gmail.received import GmailArrivals
    from outreach.mail.addresses import mailbox_key, without_tag

    for account in services.store.list_accounts():
        same = mailbox_key(account.email) in {mailbox_key(address), without_tag(address)}
        if same and account.id != sender.id:
            domain = mailbox_key(sender.email).rpartition("@")[2]
            arrivals = GmailArrivals(services.mailer.requests)
            with progress("Waiting for it to arrive"):
                return wait_for_proof(arrivals, account, token, domain, seconds=seconds)
    return None


def told(proof: "Proof") -> str:
    problem = f"{proof.problem}." if proof.problem else ""
    if proof.folder is None:
        return f"{proof.account}: {problem}"
    signer = f" ({proof.dkim_domain})" if proof.dkim_domain else ""
    results = (
        f"SPF {proof.spf or 'not told'}, DKIM {proof.dkim or 'not told'}{signer}, "
        f"DMARC {proof.dmarc or 'not told'}."
    )
    where = f"Arrived at {proof.account}, in its {proof.folder}"
    return " ".join(filter(None, (f"{where}: {results}", problem)))
