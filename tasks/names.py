"""Names of the deployments, as Prefect's API and command take them. Imports nothing."""

SEND_FLOW = "send-campaign"
SEND = f"{SEND_FLOW}/send-campaign"
DISPATCH = "dispatch-campaigns/dispatch-campaigns"
