"""The sandbox's own pages."""

from functools import partial

from outreach.web import rendering

page = partial(rendering.page, rendering.environment("gmail_sandbox"))
