"""Finds a mail of ours in the mailbox that got it, and what Google wrote above it."""

from typing import Any
from uuid import UUID

from outreach.delivery.modes import METADATA, READ
from outreach.delivery.proof import Arrived
from outreach.errors import AccountUnusable
from outreach.gmail import answers, errors
from outreach.gmail.requests import Requests
from outreach.inbound.authentication import FIELD

MOST_MAILS = 5
"""Mails with the word that are looked at; a reply may quote it."""


class GmailArrivals:
    """Reads through the Gmail API."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def find(self, account_id: UUID, search_token: str) -> Arrived | None:
        scopes = self._requests.scopes(account_id)
        if not scopes & READ or METADATA in scopes:
            raise AccountUnusable(
                "The account has not granted to read its mails",
                "reconnect the account and grant it",
            )
        request = self._requests.api.messages.list(
            userId="me", q=search_token, includeSpamTrash=True, maxResults=MOST_MAILS
        )
        listed = answers.tables(self._requests.execute(account_id, request, "look"), "messages")
        found = (answers.text(one, "id") for one in reversed(listed[:MOST_MAILS]))
        arrived = (self._arrived(account_id, one) for one in found if one)
        return next((one for one in arrived if one), None)

    def _arrived(self, account_id: UUID, message_id: str) -> Arrived | None:
        request = self._requests.api.messages.get(
            userId="me", id=message_id, format="metadata", metadataHeaders=[FIELD]
        )
        try:
            message = self._requests.execute(account_id, request, "look")
        except errors.NotThere:
            return None
        labels = answers.words(message, "labelIds")
        return None if labels & {"SENT", "DRAFT"} else Arrived("SPAM" in labels, _fields(message))


def _fields(message: dict[str, Any]) -> tuple[str, ...]:
    headers = answers.tables(answers.table(message, "payload"), "headers")
    ours = (header for header in headers if str(header.get("name")).lower() == FIELD.lower())
    return tuple(str(header.get("value")) for header in ours)
