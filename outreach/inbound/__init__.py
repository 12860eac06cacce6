"""What a received mail is: a bounce, a complaint, an auto-reply or a person's. Pure; no I/O."""
