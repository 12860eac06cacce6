"""`outreach suppressions`: whom no campaign mails."""
