"""`outreach mailboxes`: what comes back to the accounts."""
