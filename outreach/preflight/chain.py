"""Pure: checks the follow-ups of a campaign: their rows, and the mails that they add."""

from collections.abc import Iterator
from uuid import UUID

from outreach.campaign.estimate import window_of
from outreach.campaign.snapshot import CampaignSnapshot, ChainLink, PlannedMail
from outreach.errors import NeverOpen
from outreach.preflight import campaign as checks
from outreach.preflight import leads as lead_checks
from outreach.preflight.fallbacks import Fallbacks
from outreach.preflight.findings import Problem, Tally


def follow_ups(snapshot: CampaignSnapshot) -> list[ChainLink]:
    """The steps that a check of the campaign covers: all of them, or itself where it is one."""
    return [
        link for link in checks.covered(snapshot) if link.step > 1 and link.status != "cancelled"
    ]


def further(snapshot: CampaignSnapshot) -> list[ChainLink]:
    """The steps that a check of the first campaign covers beside it; none for a step."""
    return follow_ups(snapshot) if snapshot.step is None else []


def of_rows(snapshot: CampaignSnapshot, *, footer_required: bool) -> Iterator[Problem]:
    """Problems of the rows of steps, which a web app may have written."""
    numbers = {link.step for link in snapshot.chain}
    for step in follow_ups(snapshot):
        if step.step - 1 not in numbers:
            message = f"There is no step {step.step - 1} for it to follow, so it is cancelled"
            yield of_step(step, Problem("error", "chain", message, "number the steps 2, 3, …"))
        for problem in _of_row(step, snapshot.chain[0]):
            yield of_step(step, problem)
        if snapshot.step is None:
            for problem in _of_campaign(step, snapshot.chain[0], footer_required=footer_required):
                yield of_step(step, problem)


def _of_row(step: ChainLink, first: ChainLink) -> Iterator[Problem]:
    """A step without a column of its own takes none from the first campaign."""
    if step.lacks_accounts:
        message = f"It lacks {step.lacks_accounts} account(s) of the first campaign"
        remedy = "add them to campaign_accounts: each lead is followed from its own account"
        yield Problem("error", "accounts", message, remedy)
    if window_of(first) and not window_of(step):
        message = "It has no send window, while the first campaign has one"
        yield Problem("warning", "window", message, "give its row the same")
    if (first.footer or "").strip() and not (step.footer or "").strip():
        message = "It has no footer, while the first campaign has one"
        yield Problem("warning", "footer", message, "give its row the same")
    if first.list_unsubscribe and not step.list_unsubscribe:
        message = "Its mails have no header to unsubscribe, while those of the first campaign have"
        yield Problem("warning", "unsubscribe", message, "set list_unsubscribe in its row")


def _of_campaign(step: ChainLink, first: ChainLink, *, footer_required: bool) -> Iterator[Problem]:
    """What a check of the step itself tells as of any campaign."""
    if not step.opens:
        never = NeverOpen()
        yield Problem("error", "window", never.problem, never.remedy)
    if fault := step.fault_of_accounts:
        yield Problem("error", "accounts", fault.problem, fault.remedy)
    if step.footer != first.footer:
        yield from checks.of_footer(step, required=footer_required)


class StepMails:
    """Checks the mail of each lead in a step with texts of its own."""

    def __init__(self, step: ChainLink, first: ChainLink) -> None:
        self._step = step
        self._footer = lead_checks.Footer(step.footer if step.footer != first.footer else None)
        self._fallbacks = Fallbacks()

    def see(self, planned: PlannedMail, tally: Tally) -> None:
        if planned.missing is not None or planned.suppressed is not None:
            return  # told of the first mail
        mail = self._mail(planned)
        for problem in (*self._problems(mail), *self._footer.of(mail)):
            tally.add(of_step(self._step, problem), *filter(None, [planned.lead.email]))
        if self._step.template is not None:
            self._fallbacks.see(mail)

    def tell(self, tally: Tally) -> None:
        own = Tally()
        self._fallbacks.tell(own)
        for problem, count, examples in own.rows():
            tally.add(of_step(self._step, problem), *examples, count=count)

    def _mail(self, planned: PlannedMail) -> PlannedMail:
        """As `list_mails` of the step has it."""
        step, company = self._step, planned.company
        texts = {
            "email_subject": company.email_subject if step.subject is None else step.subject,
            "email_template": company.email_template if step.template is None else step.template,
        }
        return planned.model_copy(
            update={
                "company": company.model_copy(update=texts),
                "subject_variables": step.subject is not None and step.subject_variables,
                "answers": step.subject is None,
            }
        )

    def _problems(self, mail: PlannedMail) -> Iterator[Problem]:
        """Of the texts of the step; those of the first mail are told with that."""
        if mail.lead.unreadable:
            return
        if self._step.subject is not None:
            yield from lead_checks.of_subject(mail)
        if self._step.template is not None:
            yield from lead_checks.of_template(mail)


def step_mails(snapshot: CampaignSnapshot) -> dict[UUID, StepMails]:
    """By the step's id, for the first campaign; `list_mails` of a step gives its own mails."""
    return {step.id: StepMails(step, snapshot.chain[0]) for step in further(snapshot)}


def of_step(step: ChainLink, problem: Problem) -> Problem:
    """The problem, told as the step's."""
    return problem._replace(message=f"Step {step.step}: {problem.message}")
