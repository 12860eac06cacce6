"""Posts each reply to a person's chat: an automation of Prefect, to copy and to change.

    python docs/examples/tell_replies.py URL

URL is the webhook of a chat, or of anything else that takes `{"text": …}`. Called again it replaces
the automation. It needs PREFECT_API_URL, and PREFECT_API_AUTH_STRING where the server has a
password.
"""

import sys
from contextlib import suppress
from typing import Any

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.types import SecretDict
from pydantic import SecretStr

NAME = "campaign-reply"
"""Of the automation, and of the block that keeps the address, whose values Prefect encrypts."""

# The event has ids alone. A person reads the mail in its mailbox.
PAYLOAD = """{"text": {{
  ("A lead of " ~ event.payload.name ~ " has answered. Who, and in which thread: "
   ~ "outreach campaigns replies " ~ event.payload.campaign_id) | tojson
}}}"""


def tell_replies(url: str) -> None:
    headers = SecretDict({"Content-Type": "application/json"})
    webhook = Webhook(method="POST", url=SecretStr(url), headers=headers)
    block: Any = webhook.save(NAME, overwrite=True)
    with suppress(ValueError):  # there is none yet
        before: Any = Automation.read(name=NAME)
        before.delete()
    Automation(
        name=NAME,
        description="Tells a person about each reply.",
        trigger=EventTrigger(
            expect={"campaign.reply"},
            match={"prefect.resource.id": "campaign.*"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block, payload=PAYLOAD)],
    ).create()


if __name__ == "__main__":
    tell_replies(sys.argv[1])
