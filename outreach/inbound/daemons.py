"""Who wrote a mail: a mail server, a program that reads no answers, or a person."""

import re

from outreach.inbound.charsets import header_text
from outreach.inbound.found_addresses import first, local_part
from outreach.inbound.message import Headers, Mail

_DAEMON = re.compile(
    r"mailer[-_.]?d(?:a?e|e?a)mon|post[-_]?master|mail[-_.]?daemon|mdaemon|mmdf|bounces?"
    r"|microsoftexchange[0-9a-f]{8,}|mail[-_.]?deliver[\w.-]*|mailadmin|mailer"
)
_NAMES = (
    "mailer-daemon",
    "postmaster",
    "mail delivery sub",
    "mail delivery sys",
    "mail deliver",
    "system administrator",
    "microsoft outlook",
    "mail administrator",
    "mail system",
)
_UNREAD = re.compile(
    r"(?:do[-_.]?)?no[-_.]?t?[-_.]?reply.*|.*no-?reply|notifications?|nobody|auto(?:mat|repl).*|system"
    r"|admin(?:istrator)?|.*(?:smtp|gateway|mail[-_.]?(?:server|service|system)|daemon|antivirus).*"
)


def is_daemon(mail: Mail) -> bool:
    """Whether a mail server wrote it."""
    address = first(mail.sender)
    if address and _DAEMON.fullmatch(local_part(address)):
        return True
    return mail.sender.lower().lstrip("<\"' ").startswith(_NAMES)


def is_unread_daemon(mail: Mail) -> bool:
    """The same where no person writes: a postmaster answers, too, but returns no mail then."""
    local = local_part(first(mail.sender))
    if _DAEMON.fullmatch(local) is None:
        return False
    return bool(mail.returned) or not local.startswith("post")


def may_be_automatic(mail: Mail) -> bool:
    """Whether a program may have written it: by its address or its headers, not by a name alone."""
    local = local_part(first(mail.sender))
    submitted = mail.headers.get("auto-submitted", "no").strip().lower()
    return (
        _DAEMON.fullmatch(local) is not None
        or has_null_sender(mail.headers)
        or not submitted.startswith("no")
    )


def shows_a_program(mail: Mail) -> bool:
    """Whether more than its words says that a program wrote it."""
    return bool(mail.status) or may_report(mail.headers) or may_be_automatic(mail)


def reads_no_answers(mail: Mail) -> bool:
    """Whether its sender is a program's address, as no-reply@."""
    return _UNREAD.fullmatch(local_part(first(mail.sender))) is not None


def has_null_sender(headers: Headers) -> bool:
    """RFC 5321's `<>`, which only automatic mails have; an away notice may have it too."""
    path = headers.get("return-path", "?").strip(" <>\t\r\n").lower()
    return path == "" or path.startswith("mailer-daemon")


def may_report(headers: Headers) -> bool:
    """Whether a header is that of a server's report: a bounce, a delay, a complaint."""
    kind = headers.get("content-type", "").lstrip().lower()
    if "x-failed-recipients" in headers or kind.startswith("multipart/report"):
        return True
    return is_daemon(Mail(headers, "", header_text(headers.get("from", "")), ""))
