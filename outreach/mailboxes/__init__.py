"""Reading the accounts' mailboxes: what came back to which mail, and what follows from it."""
