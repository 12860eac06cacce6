"""`make soak`: a day of many campaigns, compressed, and whether anything grows or is lost."""
