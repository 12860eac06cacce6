"""Values and templates with which a page or a file shows one mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outreach.mail import parts
from outreach.mail.compose import Composed
from outreach.mail.mime import Attachment
from outreach.mail.unsubscribe import NONE, OptOut
from outreach.preflight.preview import Preview
from outreach.web import rendering

SOURCE_SHOWN = 20_000
SHORT, LINE = 14, 80
"""Lines, and characters of a line: a shorter mail needs no tall frame."""

_templates = rendering.environment("outreach.web")


@dataclass(frozen=True, slots=True)
class Shown:
    """The mails of a preview."""

    campaign: str
    previews: Sequence[Preview]
    pending: int
    """Leads of the campaign that are to be mailed; `previews` may be fewer."""
    attachment: Attachment | None
    no_attachment: str | None
    """Why it cannot be read."""
    tracked: bool
    """Whether the mails will carry a pixel."""
    date: datetime
    opt_out: OptOut = NONE

    @property
    def wrong(self) -> list[int]:
        """The numbers, from 1, of the mails with a problem."""
        return [n for n, preview in enumerate(self.previews, start=1) if preview.problems]

    def made(self, number: int) -> Composed | None:
        return self.previews[number - 1].made(self.attachment, self.date, self.opt_out)

    def values(self, number: int) -> dict[str, Any]:
        """The values that the template of one mail needs."""
        made = self.made(number)
        raw = bytes(made.mail) if made else b""
        return {
            "shown": self,
            "number": number,
            "preview": self.previews[number - 1],
            "made": made,
            "short": made is not None and _lines(made.rendered.text) <= SHORT,
            "headers": parts.headers(parts.tree(raw.partition(b"\r\n\r\n")[0]).head),
            "source": raw[:SOURCE_SHOWN].decode("utf-8", "replace"),
            "size": len(raw),
            "cut": len(raw) > SOURCE_SHOWN,
        }


def _lines(text: str) -> int:
    return sum(1 + len(line) // LINE for line in text.splitlines())


def page(template: str, **values: Any) -> str:
    return _templates.get_template(template).render(values)


def stylesheet() -> str:
    """The style sheet of all pages, and that of the preview."""
    return rendering.stylesheet() + "\n" + page("preview.css")
