"""Reports about a sent mail: Google's bounce (RFC 3464) and a provider's complaint (RFC 5965)."""

from datetime import UTC, datetime
from email.utils import format_datetime

from gmail_sandbox.answered import Answered, Wish
from gmail_sandbox.writing import EOL, as_html, mail, multipart, part

DAEMON = "mailer-daemon@googlemail.com"
DIAGNOSES = {
    "5.1.1": ("Address not found", "550", "The email account you tried to reach does not exist."),
    "5.2.1": ("Address not found", "550", "The email account you tried to reach is disabled."),
    "5.2.2": ("Recipient inbox full", "552", "The recipient's inbox is out of storage space."),
    "4.2.2": ("Recipient inbox full", "452", "The recipient's inbox is out of storage space."),
    "5.7.1": ("Message blocked", "550", "Message rejected as spam by the policy of this domain."),
}
"""By status: a title, the code of SMTP, and the words of the recipient's server."""


def bounce(ours: Answered, wish: Wish) -> bytes:
    title, code, words = DIAGNOSES.get(
        wish.status, ("Message not delivered", f"{wish.status[0]}50", "Delivery failed.")
    )
    text = (
        f"** {title} **\n\nYour message wasn't delivered to {ours.lead}.\n\n"
        f"The response from the remote server was:\n\n{code} {wish.status} {words}\n"
    )
    shown = multipart(
        "related",
        multipart(
            "alternative",
            part("text/plain", text),
            part("text/html", f"<html><body>{as_html(text)}</body></html>"),
        ),
    )
    fields = ours.fields(
        DAEMON, "Delivery Status Notification (Failure)", "Mail Delivery Subsystem"
    )
    marks = ["Auto-Submitted: auto-replied", f"X-Failed-Recipients: {ours.lead}"]
    return mail(
        ["Return-Path: <>", *fields, *ours.references(), *marks],
        multipart(
            "report; report-type=delivery-status",
            shown,
            part(
                "message/delivery-status",
                _status(ours, wish.status, f"{code} {wish.status} {words}"),
            ),
            ours.returned(),
        ),
    )


def _status(ours: Answered, status: str, said: str) -> bytes:
    lines = (
        "Reporting-MTA: dns; googlemail.com",
        f"Received-From-MTA: dns; {ours.account}",
        f"Arrival-Date: {format_datetime(ours.at)}",
        f"X-Original-Message-ID: {ours.message_id}",
        "",
        f"Final-Recipient: rfc822; {ours.lead}",
        "Action: failed",
        f"Status: {status}",
        f"Remote-MTA: dns; mx.{ours.domain}. (192.0.2.1, the server for the domain {ours.domain}.)",
        f"Diagnostic-Code: smtp; {said}",
        f"Last-Attempt-Date: {format_datetime(datetime.now(UTC))}",
        "",
    )
    return EOL.join(lines).encode()


def complaint(ours: Answered, _: Wish) -> bytes:
    report = (
        "Feedback-Type: abuse",
        "User-Agent: FeedbackLoop/1.0",
        "Version: 1",
        f"Original-Mail-From: <{ours.account}>",
        f"Original-Rcpt-To: <{ours.lead}>",
        f"Arrival-Date: {format_datetime(ours.at)}",
        f"Reported-Domain: {ours.account.rpartition('@')[2]}",
        "",
    )
    text = f"This is a report of spam about a mail to {ours.lead}.\n"
    fields = ours.fields(f"feedbackloop@{ours.domain}", f"FW: {ours.subject}")
    return mail(
        [f"Return-Path: <feedbackloop@{ours.domain}>", *fields],
        multipart(
            "report; report-type=feedback-report",
            part("text/plain", text),
            part("message/feedback-report", EOL.join(report).encode()),
            ours.returned(),
        ),
    )
