"""`outreach leads`: leads, and the files that they come in."""
