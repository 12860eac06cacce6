"""Names of the deployments, of their work pool and of their runs, as Prefect's API takes them.

Here, not in `tasks`: a folder with a `tasks.py` of its own must not break the command.
"""

from uuid import UUID

SEND_FLOW = "send-campaign"
SEND = f"{SEND_FLOW}/send-campaign"
DISPATCH_FLOW = "dispatch-campaigns"
DISPATCH = f"{DISPATCH_FLOW}/{DISPATCH_FLOW}"
READ_FLOW = "read-mailboxes"
READ = f"{READ_FLOW}/{READ_FLOW}"
DEPLOYMENTS = (SEND, DISPATCH, READ)
POOL = "outreach"


def run_name(campaign: str | None) -> str:
    """The name of a campaign's runs, from their creation on."""
    return f"send {campaign or 'a campaign'}"


def run_tag(campaign: UUID) -> str:
    """By which the UI shows all runs of a campaign."""
    return f"campaign:{campaign}"
