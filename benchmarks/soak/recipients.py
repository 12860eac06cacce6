"""Those who were mailed: some answer, some are away, some opt out, some addresses are dead."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from benchmarks.harness import World

OPENS, REPLIES, BOUNCES, SOFT, AWAY, MAILTO, LINK = 0.4, 0.08, 0.02, 0.02, 0.03, 0.01, 0.02
"""Shares of the mails."""
BAD_BOUNCES = 0.2
"""Of the campaign whose addresses begin with `bad`."""

OPT_OUT = """
select a.search_token from campaign_leads cl
join send_attempts a on a.campaign_lead_id = cl.id and a.outcome = 'sent'
where cl.message_id = %s
"""

Mail = dict[str, Any]


class Recipients:
    def __init__(self, there: World, web: httpx.Client) -> None:
        self._there = there
        self._web = web
        self._chance = random.Random(27)  # noqa: S311 - to be repeated, not to be secret
        self._since = 0.0
        self._seen: set[str] = set()
        self.acts: Counter[str] = Counter()

    def act(self) -> None:
        """On each mail that came since the last call."""
        mails = self._there.gmail.get("/sandbox/mails", params={"since": self._since}).json()
        for mail in mails:
            self._since = max(self._since, mail["accepted_at"])
            if mail["id"] not in self._seen:
                self._seen.add(mail["id"])
                self._on(mail)

    def _on(self, mail: Mail) -> None:
        bounces = BAD_BOUNCES if ".bad" in mail["to"] else BOUNCES
        acts: list[tuple[str, float, Callable[[Mail], object]]] = [
            ("opened", OPENS, self._open),
            ("replied", REPLIES, lambda mail: self._inbound(mail, kind="reply")),
            ("bounced", bounces, lambda mail: self._inbound(mail, kind="bounce")),
            ("soft", SOFT, lambda mail: self._inbound(mail, kind="bounce", status="4.2.2")),
            ("away", AWAY, self._away),
            ("mailto", MAILTO, lambda mail: self._inbound(mail, kind="unsubscribe")),
            ("link", LINK, self._unsubscribe),
        ]
        for name, share, act in acts:
            if self._chance.random() < share:
                act(mail)
                self.acts[name] += 1

    def _inbound(self, mail: Mail, **how: str) -> None:
        body = {"mail": mail["id"], **how}
        self._there.gmail.post("/sandbox/inbound", json=body).raise_for_status()

    def _away(self, mail: Mail) -> None:
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        self._inbound(mail, kind="away", back_on=tomorrow.isoformat())

    def _open(self, mail: Mail) -> None:
        """What its body carries; nothing while the sender has not recorded the mail."""
        if lead := self._there.one(
            "select id from campaign_leads where message_id = %s", mail["id"]
        ):
            pixel = {"id": str(lead), "type": "campaign_lead"}
            self._web.get("/api/track/open", params=pixel).raise_for_status()

    def _unsubscribe(self, mail: Mail) -> None:
        """What its header carries."""
        if token := self._there.one(OPT_OUT, mail["id"]):
            one_click = {"List-Unsubscribe": "One-Click"}
            self._web.post(f"/api/unsubscribe/{token}", data=one_click).raise_for_status()
