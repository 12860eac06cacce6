"""`outreach accounts`: the Gmail accounts that campaigns are sent from."""
