"""A rolling update: workers of the build before releases beside new ones, in the middle of a campaign."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from outreach.store.migrate import migrate
from tests.flows.conftest import NewCampaign
from tests.flows.conftest import _lead as lead
from tests.lifecycle.conftest import World, one_engine, until
from tests.older import migrated_by_it, unpacked

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300)]

LEADS = 16


@pytest.fixture
def database(server: SecretStr) -> Iterator[SecretStr]:
    """A database that the older build has migrated."""
    name = f"older_{uuid4().hex}"
    parts = conninfo_to_dict(server.get_secret_value())
    with psycopg.connect(server.get_secret_value(), autocommit=True) as db:
        db.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        url = SecretStr(make_conninfo("", **{**parts, "dbname": name}))
        migrated_by_it(url)
        yield url
        db.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def older_campaign(db: psycopg.Connection) -> UUID:
    """A campaign as the older build makes one; this build's calls are not for its database."""
    campaign, address = uuid4(), "sender0@ours.example"
    leads = [lead(number) for number in range(LEADS)]
    create = (
        "create_campaign(campaign => %s, campaign_name => 'Spring', account_addresses => %s,"
        " lead_tag => 'test')"
    )
    token = f"sandbox:{address}:modify"
    for call, arguments in (
        ("save_account(account => %s, address => %s, token => %s)", (uuid4(), address, token)),
        ("import_leads(rows => %s, list_tag => 'test')", (Jsonb(leads),)),
        (create, (campaign, [address])),
        ("start_campaign(campaign => %s)", (campaign,)),
    ):
        db.execute(f"select {call}".encode(), arguments)
    return campaign


@one_engine(["process"])
def test_old_and_new_workers_side_by_side_then_new_ones_alone(
    world: World, database: SecretStr, new_campaign: NewCampaign, tmp_path: Path
) -> None:
    """Nobody is mailed twice, nobody is lost, no campaign ends in error."""
    older = {"PYTHONPATH": str(unpacked(tmp_path / "older"))}
    in_flight = older_campaign(world.db)
    world.start(in_flight)
    old = world.worker(**older)
    world.until_sending(old)

    migrate(database)
    begun_after = new_campaign(leads=LEADS)
    world.start(begun_after)
    until(lambda: world.leads(begun_after).sent > 0, f"the old worker's; see {old.log}")
    new = world.worker()
    begun_beside = new_campaign(leads=LEADS)
    world.start(begun_beside)
    until(lambda: world.leads(begun_beside).sent > 0, f"either worker's; see {new.log}")
    old.vanish()

    campaigns = (in_flight, begun_after, begun_beside)
    ended = [world.go_on(campaign).status for campaign in campaigns]
    assert ended == ["completed"] * 3
    assert [world.leads(campaign).sent for campaign in campaigns] == [LEADS] * 3
    # The three have the same leads: a mail each, and none more.
    assert world.mails() == 3 * LEADS
