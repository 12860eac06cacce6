"""What DNS says about mail domains: whether receivers trust ours, and whether leads' take mail."""
