"""Templates that strangers wrote: compiled once, filled within a budget."""
