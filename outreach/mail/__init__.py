"""A lead, its company and its account -> the mail as it leaves. Pure."""
