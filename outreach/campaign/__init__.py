"""A campaign: its rows, how far it is, when it ends, and why nothing moves. Pure."""
