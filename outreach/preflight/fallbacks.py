"""Pure: finds names with a fallback that no lead of a campaign has: every mail gets the fallback.

For one lead a fallback is normal; for all leads it is more likely a slip in the name.
"""

from collections import Counter

from outreach.campaign.snapshot import PlannedMail
from outreach.mail.render import KNOWN, guarded_names
from outreach.mail.templates.compiler import key_of
from outreach.preflight.findings import EXAMPLES, Problem, Tally
from outreach.preflight.leads import called

Asked = tuple[str, str, str]
"""A name's key, its spelling, and the company whose template uses it."""


class Fallbacks:
    """Sees every lead first, then reports."""

    def __init__(self) -> None:
        self._columns: set[str] = set()
        self._had = set(KNOWN)
        """Keys that at least one lead has."""
        self._leads: Counter[Asked] = Counter()
        self._examples: dict[Asked, list[str]] = {}

    def see(self, planned: PlannedMail) -> None:
        columns = planned.lead.custom_fields.keys()
        if not columns <= self._columns:
            self._columns |= columns
            self._had.update(map(key_of, columns))
        for key, name in guarded_names(planned.company, in_subject=planned.subject_variables):
            if key not in self._had:
                self._add((key, name, called(planned.company)), planned.lead.email)

    def tell(self, tally: Tally) -> None:
        for asked, leads in self._leads.items():
            key, name, company = asked
            if key not in self._had:
                message = f"No lead has {{{{ {name} }}}}: each gets what stands for it"
                remedy = "correct the name, unless it is meant so"
                problem = Problem("warning", "placeholders", message, remedy, company)
                tally.add(problem, *self._examples[asked], count=leads)

    def _add(self, asked: Asked, address: str) -> None:
        self._leads[asked] += 1
        examples = self._examples.setdefault(asked, [])
        if len(examples) < EXAMPLES:
            examples.append(address)
