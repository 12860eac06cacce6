"""Shows the numbers of campaigns: as text, as Markdown, and as one page of HTML. No I/O."""
