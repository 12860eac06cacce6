"""Pure domain of a campaign: rows, progress, end and explanations."""
