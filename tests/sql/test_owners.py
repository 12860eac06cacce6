"""Whose is what: accounts of another user, and roles that can read tokens."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from outreach.store import migrate as migrating
from outreach.store.migrate import migrate
from outreach.store.release_sql import install_working_tree
from tests.sql.test_schema import ROLES

ANN, BEN = uuid4(), uuid4()
SENTENCE = (
    "The campaign names accounts of another user (ben@us.test); take them out of campaign_accounts, "
    "then start it again."
)


@pytest.fixture
def campaign(build: Any) -> UUID:
    """Of Ann, with an account of hers and one of Ben's."""
    accounts = [build.account(user_id=ANN), build.account("ben@us.test", user_id=BEN)]
    made: UUID = build.campaign(*accounts, leads=2, status="draft", user_id=ANN)
    return made


def test_a_campaign_is_not_made_with_an_account_of_another_user(build: Any) -> None:
    build.account("ben@us.test", user_id=BEN)
    build.lead(tag="x", user_id=ANN)
    made = build.sql.create_campaign(
        campaign=uuid4(), campaign_name="c", account_addresses=["ben@us.test"], lead_tag="x", owner=ANN
    )  # fmt: skip
    assert (made["answer"], made["reason"]) == ("rejected", "There is no account ben@us.test.")


def test_a_campaign_with_an_account_of_another_user_is_not_started(
    build: Any, campaign: UUID
) -> None:
    """Nothing is changed, and `check` says so before."""
    before = build.everything()
    assert build.sql.start_campaign(campaign=campaign) == {"answer": "rejected", "reason": SENTENCE}
    assert build.everything() == before
    facts = build.sql.campaign_facts(campaign=campaign)
    assert (facts["fault_of_accounts"], facts["accounts_of_others"]) == (
        {
            "problem": "The campaign names accounts of another user (ben@us.test)",
            "remedy": "take them out of campaign_accounts",
        },
        SENTENCE,
    )


def test_without_an_account_of_another_user_there_is_no_fault(build: Any) -> None:
    facts = build.sql.campaign_facts(campaign=build.campaign(build.account(user_id=ANN)))
    assert (facts["fault_of_accounts"], facts["accounts_of_others"]) == (None, None)


@pytest.mark.parametrize("status", ["draft", "scheduled", "running", "error"])
def test_its_run_ends_in_error_before_anything_is_sent(
    build: Any, campaign: UUID, status: str
) -> None:
    """Asked again, after a lost answer, it says the same; mended, it goes on."""
    build.db.execute("update campaigns set status = %s", (status,))
    run = uuid4()
    for _ in range(2):
        begun = build.sql.begin_run(campaign=campaign, run=run, lease_seconds=60.0)
        assert begun == {"answer": "failed", "status": "error", "reason": SENTENCE}
    assert build.fields("campaigns", campaign, "status", "error", "run_id") == (
        "error", SENTENCE, None,
    )  # fmt: skip
    assert build.lead_states(campaign) == {"pending": 2}

    build.db.execute("update accounts set user_id = %s", (ANN,))
    assert build.sql.begin_run(campaign=campaign, run=run, lease_seconds=60.0)["answer"] == "begun"


def test_an_account_that_comes_later_sends_nothing(build: Any, campaign: UUID) -> None:
    """Its leads fail, the others go on; so does a claim that was made before."""
    build.db.execute("update accounts set user_id = %s", (ANN,))
    run = build.begin(campaign)
    claimed = build.claim(campaign, run)["claims"]
    build.db.execute("update accounts set user_id = %s where email = 'ben@us.test'", (BEN,))

    answers = {one["sender"]["email"]: build.attempt(one, run) for one in claimed}
    assert answers["ann@us.test"]["answer"] == "go"
    assert answers["ben@us.test"] == {
        "answer": "failed",
        "reason": "ben@us.test cannot send: it belongs to another user than the campaign",
    }

    build.in_campaign(
        campaign, build.lead(),
        build.db.execute("select id from accounts where email = 'ben@us.test'").fetchone()[0],
    )  # fmt: skip
    assert build.claim(campaign, run)["answer"] != "claimed"
    assert build.lead_states(campaign) == {"pending": 1, "failed": 2}


@pytest.mark.parametrize(("of_campaign", "of_account"), [(None, BEN), (ANN, None), (ANN, ANN)])
def test_what_has_no_owner_is_everybodys(
    build: Any, of_campaign: UUID | None, of_account: UUID | None
) -> None:
    """Where one of the two has none, nothing is refused."""
    campaign = build.campaign(
        build.account(user_id=of_account), leads=1, status="draft", user_id=of_campaign
    )
    assert build.sql.start_campaign(campaign=campaign)["answer"] == "running"
    build.mail(campaign, build.begin(campaign))


# --- tokens -----------------------------------------------------------------------------------------

OWN = (
    "create policy own on accounts for select to authenticated using (user_id = gen_random_uuid())"
)


@pytest.fixture
def on_supabase(server: SecretStr, bare: SecretStr, older: Any) -> Any:
    """A new project with Supabase's roles and rights."""
    older.db.execute(ROLES)
    migrate(bare)
    install_working_tree(server, bare)
    return older


def exposed(build: Any) -> list[tuple[str, str]]:
    return [(one["role"], one["rows"]) for one in build.sql.rows("exposed_tokens")]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ([], []),
        (["alter table accounts disable row level security"],
         [("anon", "all"), ("authenticated", "all")]),
        ([OWN], [("authenticated", "policy")]),
        ([OWN.replace("to authenticated ", "")], [("anon", "policy"), ("authenticated", "policy")]),
        ([OWN.replace("for select ", "")], [("authenticated", "policy")]),
        ([OWN.replace("for select", "for delete")], []),
        ([OWN.replace("on accounts for", "on accounts as restrictive for")], []),
        ([OWN, "revoke select on accounts from authenticated"], []),
        ([OWN, "revoke select on accounts from authenticated",
          "grant select (id, access_token) on accounts to authenticated"],
         [("authenticated", "policy")]),
        (["alter table accounts disable row level security",
          "revoke select on accounts from anon, authenticated", "grant select on accounts to public"],
         [("anon", "all"), ("authenticated", "all")]),
    ],
)  # fmt: skip
def test_roles_that_can_read_tokens_are_told_and_closed_by_the_statement(
    on_supabase: Any, changes: list[str], found: list[tuple[str, str]]
) -> None:
    """With row-level security on and no policy nobody sees anything."""
    for change in changes:
        on_supabase.db.execute(change)
    assert exposed(on_supabase) == found

    for one in on_supabase.sql.rows("exposed_tokens"):
        on_supabase.db.execute(one["statement"])

    assert exposed(on_supabase) == []
    for role, _ in found:
        on_supabase.db.execute(f"set role {role}")
        on_supabase.db.execute("select id, email, status from accounts")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on_supabase.db.execute("select refresh_token from accounts")
        on_supabase.db.execute("reset role")


def test_where_there_are_no_such_roles_nothing_is_told(database: SecretStr) -> None:
    assert migrating.exposed_tokens(database) == []


def test_a_user_of_an_empty_project_may_write_its_own_rows(on_supabase: Any) -> None:
    """Under a policy of its owner's: the default of the ids is a function of ours."""
    db = on_supabase.db
    for table in ("companies", "leads", "campaign_leads"):
        db.execute(f"create policy own on {table} to authenticated using (true) with check (true)")
    campaign = on_supabase.campaign()
    db.execute("set role authenticated")
    db.execute("insert into companies (name) values ('Acme')")
    db.execute("insert into leads (email) values ('x@acme.test')")
    db.execute("insert into campaign_leads (campaign_id) values (%s)", (campaign,))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("select public.schema_version()")
    db.execute("reset role")
    assert db.execute("select count(*) from leads").fetchone() == (1,)
