"""`outreach leads`: the people to be mailed, and the files that they come in."""
