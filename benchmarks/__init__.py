"""How fast, how flat, how large: `make bench`. Nothing here is part of the product or its tests."""
