"""Pure: builds the mail from a lead, its company and its account."""
