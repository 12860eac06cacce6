"""What a round over mailboxes costs in which nothing is new."""

import time
from collections.abc import Iterator
from statistics import median
from uuid import uuid4

from benchmarks.harness import World, sandbox, world
from benchmarks.table import Line, at_most
from outreach import wiring
from tasks.mailboxes import read_due

SENT = """
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
  finished_at, outcome)
select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), a.id, gen_random_uuid(),
  'jo@acme.example', now(), gen_random_uuid()::text, now(), 'sent'
from accounts a
"""


def run(*, quick: bool) -> Iterator[Line]:
    accounts = 10 if quick else 100
    with world(prefect=False) as there, sandbox() as address:
        _connect(there, accounts)
        urls = {"gmail_api_url": address, "google_token_url": f"{address}/token"}
        with wiring.using(there.settings.model_copy(update=urls)):
            read_due.fn()  # asks for tokens and cursors
            spent = median(_round(there) for _ in range(5))
    name = f"mailboxes: CPU of a round over {accounts} accounts without news"
    yield at_most(name, spent, 1.0 * accounts / 100, " s")


def _connect(there: World, accounts: int) -> None:
    """Each has sent a mail."""
    for number in range(accounts):
        account = f"sender{number}@ours.example"
        there.store.save_account(uuid4(), account, refresh_token=f"sandbox:{account}:modify")
    there.db.execute(SENT)


def _round(there: World) -> float:
    """Of this process, which is a worker's part in it."""
    there.db.execute("update mailboxes set next_read_at = null")
    before = time.process_time()
    read_due.fn()
    spent = time.process_time() - before
    unread = there.one(
        "select count(*) from mailboxes where read_at is null or problem is not null"
    )
    if unread:
        raise SystemExit(f"{unread} mailboxes were not read")
    return spent
