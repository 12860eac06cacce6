"""Pure: names with a fallback that no lead of a campaign has, so that everybody gets the fallback.

Of one lead that is what a fallback is for; of all of them it is more likely a slip in the name.
"""

from outreach.checks import Problem, Tally
from outreach.facts import PlannedMail
from outreach.lead_checks import called
from outreach.render import KNOWN, guarded_names
from outreach.templates import key_of


class Fallbacks:
    """Sees every lead first, then decides."""

    def __init__(self) -> None:
        self._columns: set[str] = set()
        self._asked: dict[str, dict[Problem, None]] = {}

    def see(self, planned: PlannedMail, tally: Tally) -> None:
        self._columns.update(planned.lead.custom_fields)
        asked = guarded_names(planned.company, in_subject=planned.subject_variables)
        for key, name in asked.items():
            told = f"No lead has {{{{ {name} }}}}: each gets what stands for it"
            todo = "correct the name, unless it is meant so"
            problem = Problem("warning", "placeholders", told, todo, called(planned.company))
            self._asked.setdefault(key, {})[problem] = None
            tally.add(problem, planned.lead.email)

    def decide(self, tally: Tally) -> None:
        """Leave in the tally what no lead has."""
        had = KNOWN | {key_of(column) for column in self._columns}
        for key in had & self._asked.keys():
            for problem in self._asked[key]:
                tally.drop(problem)
