"""What a campaign's leads would get: as pages in the browser, or as files in a folder."""
