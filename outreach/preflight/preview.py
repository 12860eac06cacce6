"""Pure: makes the mail of each lead exactly as the run does, with its problems."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from outreach.campaign.snapshot import PlannedMail
from outreach.errors import LeadError
from outreach.mail.answers import subject_of_answer
from outreach.mail.compose import Composed, compose
from outreach.mail.mime import Attachment
from outreach.mail.unsubscribe import NONE, OptOut
from outreach.preflight import leads as lead_checks
from outreach.preflight.findings import Problem

TOKEN = "preview"  # noqa: S105 - replaces the search token by which Gmail finds a mail


@dataclass(frozen=True, slots=True)
class Preview:
    planned: PlannedMail
    problems: tuple[Problem, ...]
    """Errors first."""

    @property
    def subject(self) -> str:
        """As its template has it; an answer's with `Re:`."""
        subject = self.planned.company.email_subject or ""
        return subject_of_answer(subject) if self.planned.answers and subject else subject

    @property
    def has_error(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def made(
        self, attachment: Attachment | None, date: datetime, opt_out: OptOut = NONE
    ) -> Composed | None:
        """The mail without its pixel: a preview is not an opening. None when it cannot be made."""
        if self.planned.sender is None or self.planned.missing is not None:
            return None
        try:
            return compose(
                self.planned,
                sender=self.planned.sender,
                attachment=attachment,
                pixel_url=None,
                search_token=TOKEN,
                date=date,
                opt_out=opt_out,
                answers=self.planned.answers,
            )
        except LeadError:
            return None  # the problems say why


def previewed(mails: Iterable[PlannedMail], footer: str | None = None) -> Iterator[Preview]:
    """Each mail with the problems that a check finds in it, and in the campaign's footer."""
    duplicates, below = lead_checks.Duplicates(), lead_checks.Footer(footer)
    for planned in mails:
        found = [
            *lead_checks.problems(planned),
            *below.of(planned),
            *duplicates.of(planned),
        ]
        if planned.sender is None:
            message = "It is assigned to no account of the campaign"
            found.append(Problem("error", "account", message, "assign it to one"))
        yield Preview(planned, tuple(sorted(found, key=lambda problem: problem.severity)))
