"""Names of the deployments and of their work pool, as Prefect's API and command take them.

Here, not in `tasks`: a folder with a `tasks.py` of its own must not break the command.
"""

SEND_FLOW = "send-campaign"
SEND = f"{SEND_FLOW}/send-campaign"
DISPATCH_FLOW = "dispatch-campaigns"
DISPATCH = f"{DISPATCH_FLOW}/{DISPATCH_FLOW}"
READ = "read-mailboxes/read-mailboxes"
DEPLOYMENTS = (SEND, DISPATCH, READ)
POOL = "outreach"
