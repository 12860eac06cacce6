"""What an error says whole, and in parts, to those who say it in other words."""

import pytest

from outreach.cli.telling import message
from outreach.errors import (
    LeadError,
    NoAccounts,
    Rejected,
    StoreFull,
    StoreUnavailable,
    TemplateNotReady,
)


@pytest.mark.parametrize(
    ("error", "said", "problem", "remedy"),
    [
        (Rejected("'x' is no day", "write Mon"), "'x' is no day; write Mon.", "'x' is no day", "write Mon"),
        # A problem of the database is a sentence, with or without a remedy.
        (Rejected("There is no account x.", "add it"), "There is no account x; add it.", "There is no account x", "add it"),
        (Rejected("There is no lead."), "There is no lead.", "There is no lead", ""),
        (
            TemplateNotReady("It has no template", "write one"),
            "It has no template; write one, then run `outreach campaigns retry-failed`.",
            "It has no template",
            "write one",
        ),
        (
            NoAccounts(),
            "The campaign has no Gmail account; add one to campaign_accounts, then start it again.",
            "The campaign has no Gmail account",
            "add one to campaign_accounts",
        ),
    ],
)  # fmt: skip
def test_an_error_has_its_problem_and_its_remedy_apart(
    error: Rejected | LeadError, said: str, problem: str, remedy: str
) -> None:
    assert (str(error), error.problem, error.remedy) == (said, problem, remedy)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            StoreUnavailable("The database is away (no connection)."),
            "The database is away (no connection); check DATABASE_URL or SUPABASE_URL, or try later.",
        ),
        (StoreFull(), "The database's disk is full; make room on it."),
    ],
)
def test_the_command_says_what_to_do_where_the_error_does_not(
    error: StoreUnavailable, told: str
) -> None:
    assert message(error) == told
