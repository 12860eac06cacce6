"""Previews a campaign's mails: as pages in the browser, or as files in a folder."""
