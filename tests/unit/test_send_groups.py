"""Task runs: one a lead, or a group when this process's campaigns together send too fast."""

from uuid import UUID, uuid4

from outreach.campaign.models import Claim, Company, Lead, Sender
from tasks.send import GROUP, ROWS_A_SECOND, grouped, mail_rates

ONE = Sender(id=UUID(int=1), email="one@ours.example")
OTHER = Sender(id=UUID(int=2), email="other@ours.example")


def claims(sender: Sender, number: int) -> list[Claim]:
    return [
        Claim(
            id=uuid4(),
            token=uuid4(),
            wait_seconds=0,
            due=due,
            sender=sender,
            lead=Lead(email=f"lead{due}@acme.example"),
            company=Company(),
        )
        for due in range(number)
    ]


def test_a_lead_is_a_task_run_up_to_the_rate_of_all_runs() -> None:
    with (
        mail_rates.counted(uuid4(), ROWS_A_SECOND / 2),
        mail_rates.counted(uuid4(), ROWS_A_SECOND / 2),
    ):
        assert [len(group.claims) for group in grouped(claims(ONE, 3), 8)] == [1, 1, 1]


def test_above_the_rate_a_task_run_has_leads_of_one_account() -> None:
    with mail_rates.counted(uuid4(), 1), mail_rates.counted(uuid4(), ROWS_A_SECOND):
        groups = grouped([*claims(ONE, GROUP + 1), *claims(OTHER, 2)], 8)

    assert [(group.claims[0].sender, len(group.claims)) for group in groups] == [
        (ONE, GROUP),
        (OTHER, 2),
        (ONE, 1),
    ]


def test_accounts_beyond_the_threads_do_not_wait_for_the_others() -> None:
    """A group for each would have the third account's mails after all of the first one's."""
    senders = [Sender(id=UUID(int=n), email=f"a{n}@ours.example") for n in range(3)]
    with mail_rates.counted(uuid4(), float("inf")):
        groups = grouped([claim for sender in senders for claim in claims(sender, 4)], 2)

    assert [str(group) for group in groups] == [
        "8 leads from 2 accounts",
        "4 leads from a…@ours.example",
    ]
    assert [(claim.sender.id.int, claim.due) for claim in groups[0].claims] == [
        (account, due) for due in range(4) for account in (0, 2)
    ]


def test_a_run_that_has_ended_counts_no_more() -> None:
    with mail_rates.counted(uuid4(), float("inf")):
        assert len(grouped(claims(ONE, 3), 8)) == 1
    assert len(grouped(claims(ONE, 3), 8)) == 3
