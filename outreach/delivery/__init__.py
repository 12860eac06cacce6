"""From a claim to an outcome: one send, its record, and what settles a doubt."""
