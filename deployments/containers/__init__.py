"""The image, and what runs it: `make containers` tries both."""
