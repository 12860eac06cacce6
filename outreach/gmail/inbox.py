"""The Inbox for Gmail: what was received, by history or by list."""

import base64
import binascii
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from outreach.errors import TemporarilyUnavailable
from outreach.gmail import answers, errors
from outreach.gmail.requests import Requests
from outreach.mailboxes.inbox import Envelope, HistoryExpiredError, Listed, Page, ReceivedMail

PAGE = 500
MOST_PAGES = 2_000
"""A million mails. Ends a list whose every page names a next one."""
LARGEST = 64 * 1024 * 1024
"""Octets of a response with a mail: Gmail receives 50 MB, which base64 makes longer by a third."""
HEADERS = [
    "From",
    "Subject",
    "In-Reply-To",
    "References",
    "Content-Type",
    "X-Failed-Recipients",
    "Auto-Submitted",
]
_DIGITS = 40
_ID = re.compile(r"[!-;=?-~]{3,500}")
"""A Message-ID that can stand in a search: no space, no angle bracket."""


class GmailInbox:
    """Reads through the Gmail API; a 404 is a mail that is gone."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._one_at_a_time = threading.Lock()  # one large mail in memory

    def scopes(self, account_id: UUID) -> frozenset[str]:
        return self._requests.scopes(account_id)

    def position(self, account_id: UUID) -> str:
        profile = self._look(account_id, self._requests.api.users.getProfile(userId="me"))
        if (found := _history_id(profile)) is None:
            raise _unusable()
        return found

    def added(self, account_id: UUID, history_id: str) -> Iterator[Page]:
        request = self._requests.api.history.list(
            userId="me",
            startHistoryId=history_id,
            historyTypes=["messageAdded"],
            maxResults=PAGE,
        )
        for number in range(MOST_PAGES):
            try:
                answer = self._look(account_id, request)
            except errors.NotThere:
                if number:
                    raise
                raise HistoryExpiredError from None
            entries = answers.tables(answer, "history") or [{}]
            is_last = not answers.text(answer, "nextPageToken")
            added = [one for entry in entries for one in answers.tables(entry, "messagesAdded")]
            mails = _listed([answers.table(one, "message") for one in added])
            yield Page(mails, _history_id(answer) if is_last else _history_id(entries[-1], "id"))
            if is_last:
                return
            request = self._requests.api.history.list_next(request, answer)

    def all_mails(self, account_id: UUID) -> Iterator[Page]:
        request = self._requests.api.messages.list(
            userId="me", includeSpamTrash=True, maxResults=PAGE
        )
        for _ in range(MOST_PAGES):
            answer = self._look(account_id, request)
            yield Page(_listed(answers.tables(answer, "messages")), None)
            if not answers.text(answer, "nextPageToken"):
                return
            request = self._requests.api.messages.list_next(request, answer)

    def envelope(self, account_id: UUID, mail_id: str) -> Envelope | None:
        request = self._requests.api.messages.get(
            userId="me", id=mail_id, format="metadata", metadataHeaders=HEADERS
        )
        try:
            answer = self._look(account_id, request)
        except errors.NotThere:
            return None
        return Envelope(
            answers.words(answer, "labelIds"), _received(answer), answers.headers(answer)
        )

    def mail(self, account_id: UUID, mail_id: str) -> ReceivedMail | None:
        request = self._requests.api.messages.get(userId="me", id=mail_id, format="raw")
        try:
            with self._one_at_a_time:
                answer = self._requests.execute(account_id, request, "look", LARGEST)
        except errors.NotThere:
            return None
        return ReceivedMail(
            answers.text(answer, "threadId"),
            answers.words(answer, "labelIds"),
            _received(answer),
            _raw(answer),
        )

    def named(self, account_id: UUID, message_id: str) -> Listed | None:
        if not _ID.fullmatch(message_id):
            return None
        request = self._requests.api.messages.list(
            userId="me", q=f"rfc822msgid:{message_id}", includeSpamTrash=True, maxResults=1
        )
        found = _listed(answers.tables(self._look(account_id, request), "messages"))
        return found[0] if found else None

    def _look(self, account_id: UUID, request: Any) -> dict[str, Any]:
        return self._requests.execute(account_id, request, "look")


def _listed(messages: list[dict[str, Any]]) -> list[Listed]:
    """Those with an id, each once."""
    found = {
        one: Listed(one, answers.text(message, "threadId"), answers.words(message, "labelIds"))
        for message in messages
        if (one := answers.text(message, "id"))
    }
    return list(found.values())


def _history_id(answer: dict[str, Any], key: str = "historyId") -> str | None:
    found = answers.text(answer, key)
    return found if found and found.isdigit() and len(found) <= _DIGITS else None


def _received(answer: dict[str, Any]) -> datetime:
    """When Gmail received it. Raises TemporarilyUnavailable for an answer without a time."""
    try:
        return datetime.fromtimestamp(int(answer["internalDate"]) / 1000, UTC)
    except (LookupError, TypeError, ValueError, OverflowError, OSError):
        raise _unusable() from None


def _raw(answer: dict[str, Any]) -> bytes:
    try:
        return base64.urlsafe_b64decode(answer["raw"] + "==")
    except (LookupError, TypeError, binascii.Error, ValueError):
        raise _unusable() from None


def _unusable() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("Gmail gave no usable answer; nothing was read.")
