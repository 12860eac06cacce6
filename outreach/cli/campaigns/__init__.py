"""`outreach campaigns`: make, check, start, watch and end them."""
