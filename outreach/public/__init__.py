"""Answers recipients and their mail programs: the page to unsubscribe, and the open pixel.

For operators who have no web app that does.
"""
