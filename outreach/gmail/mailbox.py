"""The Mailer for Gmail: its API calls, their order, and the reading of their responses."""

import re
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from outreach.campaign.models import (
    Credentials,
    Finding,
    Gone,
    Sent,
    StillDraft,
    WasSent,
)
from outreach.delivery.mailer import OurDraft, Prepared, ThreadMail
from outreach.delivery.modes import DRAFTS, METADATA, READ, Delivery, choose_delivery
from outreach.errors import AccountUnusable
from outreach.gmail import answers, errors
from outreach.gmail.requests import Requests
from outreach.mail.headers import TOKEN as TOKEN_HEADER
from outreach.mail.mime import Mail
from outreach.settings import Settings

MOST_PAGES = 200
"""Pages of drafts: 100,000 drafts. Ends a listing whose every page names a next one."""
OF_A_THREAD = [TOKEN_HEADER, "Subject", "Message-ID", "References"]
MOST_REFERENCES = 20
"""The nearest: a header is no archive."""
_IDS = re.compile(r"<[!-;=?-~]{3,500}>")
TOKEN_MARGIN = 300.0
"""Seconds that a token is valid after `prepare`: no renewal between record and post."""


class Gmail:
    """Sends through the Gmail API for many accounts, from many threads.

    `credentials` is called at each renewal of an account's access token, so that a reconnected
    account works without a restart.
    """

    def __init__(self, settings: Settings, credentials: Callable[[UUID], Credentials]) -> None:
        self._forced = settings.gmail_delivery
        self.requests = Requests(settings, credentials)

    # --- the Mailer ---------------------------------------------------------------------------

    def prepare(
        self, account_id: UUID, mail: Mail, search_token: str, thread_id: str | None = None
    ) -> Prepared:
        """Renew the access token if it ends soon; with drafts, put the mail into one."""
        joins = thread_id is not None
        self.requests.access(account_id).ensure_valid_for(TOKEN_MARGIN)
        if self.delivery(account_id) == "direct":
            return Prepared(account_id, search_token, thread_id=thread_id, joins=joins, raw=mail)
        about = {"message": {"threadId": thread_id}} if joins else None
        request = self.requests.api.uploading(self.requests.api.drafts.create, mail, about)
        draft = self.requests.execute(account_id, request, "create")
        thread_id = _thread_id(answers.table(draft, "message"))
        return Prepared(account_id, search_token, draft["id"], thread_id, joins)

    def commit(self, prepared: Prepared) -> Sent:
        """Post once: `drafts.send`, or `messages.send` with the mail."""
        if prepared.draft_id is not None:
            request = self.requests.api.drafts.send(userId="me", body={"id": prepared.draft_id})
        else:
            about = {"threadId": prepared.thread_id} if prepared.joins else None
            request = self.requests.api.uploading(
                self.requests.api.messages.send, prepared.raw or Mail(), about
            )
        message = self.requests.execute(prepared.account_id, request, "send")
        return Sent(message_id=message["id"], thread_id=_thread_id(message))

    def thread(self, account_id: UUID, thread_id: str) -> list[ThreadMail] | None:
        """`threads.get`, the headers alone."""
        if not self.scopes(account_id) & (READ | {METADATA}):
            self.requests.access(account_id).expire()
            raise AccountUnusable(
                "The account does not let us see who answered", "reconnect it with that permission"
            )
        request = self.requests.api.threads.get(
            userId="me", id=thread_id, format="metadata", metadataHeaders=OF_A_THREAD
        )
        try:
            answer = self.requests.execute(account_id, request, "look")
        except errors.NotThere:
            return None
        return [_in_thread(one) for one in answers.tables(answer, "messages") if not _is_draft(one)]

    def find(self, prepared: Prepared) -> Finding:
        """Look for the draft, then in its thread, then in Sent, as far as the account may read.

        Raises AccountUnusable when it was a draft and the account may no longer read drafts.
        """
        scopes = self.scopes(prepared.account_id)
        if prepared.draft_id is not None and self._is_draft(prepared.account_id, prepared.draft_id):
            return StillDraft()
        if not scopes & (READ | {METADATA}):
            return Gone(readable=False)
        searchable = bool(scopes & READ) and METADATA not in scopes
        found = self._sent_in_thread(prepared)
        if found is None and searchable:
            found = self._sent_by_search(prepared)
        return found or Gone(readable=searchable or prepared.thread_id is not None)

    def discard(self, prepared: Prepared) -> bool:
        """`drafts.delete`, which bypasses the bin."""
        if prepared.draft_id is None:
            return True
        request = self.requests.api.drafts.delete(userId="me", id=prepared.draft_id)
        try:
            self.requests.execute(prepared.account_id, request, "look")
        except errors.NotThere:
            return False
        return True

    # --- beyond it ----------------------------------------------------------------------------

    def scopes(self, account_id: UUID) -> frozenset[str]:
        """The scopes that the account granted, from Google's response with its last token."""
        return self.requests.scopes(account_id)

    def delivery(self, account_id: UUID) -> Delivery:
        """The delivery mode of this account.

        Raises AccountUnusable when its scopes do not suffice.
        """
        try:
            return choose_delivery(self._forced, self.scopes(account_id))
        except AccountUnusable:
            self.requests.access(account_id).expire()
            raise

    def drafts(self, account_id: UUID) -> Iterator[OurDraft]:
        """Our drafts that were neither sent nor deleted; no other drafts."""
        if not self.scopes(account_id) & DRAFTS:
            return
        request = self.requests.api.drafts.list(userId="me", maxResults=500)
        for _ in range(MOST_PAGES):
            page = self.requests.execute(account_id, request, "look")
            for entry in answers.tables(page, "drafts"):
                if draft_id := answers.text(entry, "id"):
                    yield from self._if_ours(account_id, draft_id)
            if not answers.text(page, "nextPageToken"):
                return
            request = self.requests.api.drafts.list_next(request, page)

    def close(self) -> None:
        """Close every connection; call it when no thread is sending any more."""
        self.requests.close()

    # --- steps --------------------------------------------------------------------------------

    def _is_draft(self, account_id: UUID, draft_id: str) -> bool:
        if not self.scopes(account_id) & (DRAFTS | READ):
            self.requests.access(account_id).expire()
            raise AccountUnusable(
                "The account no longer lets us see its drafts, and one of them may have been sent",
                "reconnect the account and grant all permissions",
            )
        request = self.requests.api.drafts.get(userId="me", id=draft_id, format="minimal")
        try:
            self.requests.execute(account_id, request, "look")
        except errors.NotThere:
            return False
        return True

    def _sent_in_thread(self, prepared: Prepared) -> WasSent | None:
        """Where our draft opened its thread: without our header, the first mail sent there."""
        if prepared.thread_id is None:
            return None
        request = self.requests.api.threads.get(
            userId="me", id=prepared.thread_id, format="metadata", metadataHeaders=[TOKEN_HEADER]
        )
        try:
            thread = self.requests.execute(prepared.account_id, request, "look")
        except errors.NotThere:
            return None
        messages = answers.tables(thread, "messages")
        sent = [m for m in messages if "SENT" in answers.words(m, "labelIds")]
        ours = [m for m in sent if _search_token(m) == prepared.search_token]
        return _was_sent(ours if prepared.joins else ours or sent)

    def _sent_by_search(self, prepared: Prepared) -> WasSent | None:
        """The results come newest first; a later one can only be a reply that quotes ours."""
        request = self.requests.api.messages.list(
            userId="me", q=f"in:sent {prepared.search_token}", includeSpamTrash=True
        )
        found = self.requests.execute(prepared.account_id, request, "look")
        return _was_sent(answers.tables(found, "messages")[::-1])

    def _if_ours(self, account_id: UUID, draft_id: str) -> Iterator[OurDraft]:
        request = self.requests.api.drafts.get(userId="me", id=draft_id, format="metadata")
        dates: list[str] = []
        request.add_response_callback(lambda response: dates.append(response.get("date", "")))
        try:
            message = answers.table(self.requests.execute(account_id, request, "look"), "message")
        except errors.NotThere:
            return
        token, age = _search_token(message), _age(message, dates)
        if token and age is not None:
            yield OurDraft(draft_id, max(age, 0.0), token)  # `Date` has whole seconds


def _was_sent(messages: list[dict[str, Any]]) -> WasSent | None:
    found = ((answers.text(one, "id"), _thread_id(one)) for one in messages)
    return next((WasSent(message_id=one, thread_id=thread) for one, thread in found if one), None)


def _in_thread(message: dict[str, Any]) -> ThreadMail:
    headers = answers.headers(message)
    return ThreadMail(
        id=answers.text(message, "id") or "",
        is_sent="SENT" in answers.words(message, "labelIds"),
        subject=headers.get("subject", ""),
        message_id=next(iter(_IDS.findall(headers.get("message-id", ""))), ""),
        references=_IDS.findall(headers.get("references", ""))[-MOST_REFERENCES:],
        search_token=_search_token(message),
    )


def _is_draft(message: dict[str, Any]) -> bool:
    return "DRAFT" in answers.words(message, "labelIds")


def _thread_id(message: dict[str, Any]) -> str | None:
    return answers.text(message, "threadId")


def _search_token(message: dict[str, Any]) -> str | None:
    return answers.headers(message).get(TOKEN_HEADER.lower()) or None


def _age(message: dict[str, Any], dates: list[str]) -> float | None:
    """Age in seconds, by Google's clock, as is the draft's date; None when unknown."""
    try:
        now = parsedate_to_datetime(dates[0]).timestamp()
        return now - int(message["internalDate"]) / 1000
    except (LookupError, TypeError, ValueError, OverflowError):
        return None
