"""Parts on this machine: the embedded Postgres, locks, the home folder."""
