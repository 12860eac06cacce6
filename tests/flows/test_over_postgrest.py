"""The whole job over Supabase's Data API, with the service-role key and nothing else."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.settings import Settings
from outreach.store.store import Store
from tests.flows.conftest import NewCampaign

# All of these run here once more, with the settings below.
from tests.flows.test_dispatch_campaigns import *  # noqa: F403
from tests.flows.test_send_campaign import *  # noqa: F403
from tests.postgrest.fixtures import Node, Project, new_keys, started

# 2,500 leads are mailed below.
del test_two_thousand_leads_over_four_accounts_are_all_mailed_once  # noqa: F821

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

AWAY_SECONDS = 10.0


@pytest.fixture
def settings(settings: Settings, postgrest: Project) -> Settings:
    """Production's: no DATABASE_URL."""
    return settings.model_copy(
        update={
            "database_url": None,
            "supabase_url": postgrest.url,
            "supabase_service_role_key": postgrest.key,
        }
    )


def mailed(gmail: httpx.Client) -> list[str]:
    return [mail["to"] for mail in gmail.get("/sandbox/mails").json()]


def test_more_leads_than_postgrest_gives_in_one_answer_are_all_mailed(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """2,500; the original stopped silently at 1,000."""
    campaign = new_campaign(leads=2500, accounts=4, scopes="send")

    state = send_campaign(campaign, return_state=True)

    assert state.message == "2500/2500 sent"
    to = mailed(gmail)
    assert (len(to), len(set(to))) == (2500, 2500)
    assert store.campaign_status(campaign).leads == LeadCounts(sent=2500)
    assert sum(1 for lead in store.list_campaign_leads(campaign) if lead.message_id) == 2500


DEMO = """
import sys
from pathlib import Path
from pydantic import SecretStr
from outreach.cli.demo import run
run(Path("demo"), supabase_url=sys.argv[1], supabase_service_role_key=SecretStr(sys.stdin.read()))
"""


def test_the_demo_runs_over_it_too(postgrest: Project, tmp_path: Path) -> None:
    """And starts no Postgres of its own."""
    done = subprocess.run(
        [sys.executable, "-c", DEMO, postgrest.url],
        cwd=tmp_path,
        input=postgrest.key.get_secret_value(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Demo: completed" in done.stdout
    assert (done.stdout.count("│ sent "), done.stdout.count("│ failed ")) == (9, 3)
    assert not (tmp_path / "demo" / "postgres").exists()


class TestAway:
    """The server is killed in the middle of a campaign and comes back at the same address."""

    @pytest.fixture
    def doomed(self, tmp_path: Path) -> Iterator[Node]:
        with started(tmp_path / "doomed.log") as process:
            yield process

    @pytest.fixture
    def postgrest(self, doomed: Node, supabase_database: SecretStr) -> Project:
        return doomed.open(supabase_database, new_keys())

    @pytest.mark.parametrize(
        ("leads", "killed_after"), [(400, 50), (3, 3)], ids=["while it sends", "while it claims"]
    )
    def test_a_campaign_outlives_its_database_by_ten_seconds(
        self,
        doomed: Node,
        postgrest: Project,
        supabase_database: SecretStr,
        store: Store,
        gmail: httpx.Client,
        new_campaign: NewCampaign,
        tmp_path: Path,
        leads: int,
        killed_after: int,
    ) -> None:
        """Completed, each lead mailed once, none forgotten."""
        campaign = new_campaign(leads=leads, accounts=3)
        back = threading.Event()

        def kill_and_bring_back() -> None:
            while len(mailed(gmail)) < killed_after:
                time.sleep(0.05)
            doomed.kill()
            back.wait(AWAY_SECONDS)
            port = int(postgrest.url.rpartition(":")[2])
            with started(tmp_path / "again.log") as again:
                again.open(supabase_database, postgrest.keys, port=port)
                back.wait(120)

        killer = threading.Thread(target=kill_and_bring_back)
        killer.start()
        try:
            state = send_campaign(campaign, return_state=True)
            status = store.campaign_status(campaign)
        finally:
            back.set()
            killer.join()

        assert (state.name, status.status) == ("Completed", "completed"), state
        assert status.leads == LeadCounts(sent=leads)
        to = mailed(gmail)
        assert (len(to), len(set(to))) == (leads, leads)


def test_a_hundred_thousand_leads_fit_into_the_roles_statement_time_out(
    store: Store, db: psycopg.Connection
) -> None:
    """Made and cancelled within 8 s each, on connections of the role that Supabase limits to that.

    PostgREST gives functions with a statement_timeout of their own that much; this server does
    not, so they have to do with less here.
    """
    db.execute(
        "insert into leads (email, tag) select 'l' || n || '@x.example', 'big'"
        " from generate_series(1, 100000) n"
    )
    store.save_account(uuid4(), "ada@ours.example", refresh_token="sandbox:ada@ours.example")
    campaign, repeated = uuid4(), []
    began = time.monotonic()

    made = store.create_campaign(campaign, "Big", ["ada@ours.example"], tag="big")
    repeated.append(store.create_campaign(campaign, "Big", ["ada@ours.example"], tag="big"))
    took_to_make = time.monotonic() - began
    store.start_campaign(campaign)
    cancelled = store.cancel_campaign(campaign)

    print(f"made twice in {took_to_make:.1f} s, all in {time.monotonic() - began:.1f} s")  # noqa: T201
    assert (made.leads, repeated, cancelled["leads"]) == (100_000, [made], 100_000)
    assert store.campaign_status(campaign).leads == LeadCounts(cancelled=100_000)
