"""Suppressed leads: claims pass over them, a sweep cancels them, and what takes them up again."""

from typing import Any
from uuid import UUID, uuid4

import pytest


def states(build: Any) -> dict[str, str]:
    """Of the leads of all campaigns, by address."""
    rows = build.db.execute(
        "select l.email, cl.status::text from campaign_leads cl join leads l on l.id = cl.lead_id"
    )
    return dict(rows.fetchall())


def swept(build: Any) -> int:
    """Leads that all sweeps together cancelled."""
    leads = 0
    while (answer := build.sql.sweep_suppressed())["suppressions"]:
        leads += answer["leads"]
    return leads


# --- claims ---------------------------------------------------------------------------------------


def test_a_claim_passes_over_suppressed_leads_and_gives_their_time_to_others(build: Any) -> None:
    """Half of them opted out: the other half leaves as fast as it would alone."""
    campaign = build.campaign(build.account(), leads=[f"{n}@x.test" for n in range(20)])
    for n in range(0, 20, 2):
        build.insert("suppressions", key=f"{n}@x.test")
    claims = build.claim(campaign, build.begin(campaign), most=10, pace=1)["claims"]
    assert [round(claim["wait_seconds"]) for claim in claims] == list(range(10))
    assert sorted(int(claim["lead"]["email"][:-7]) for claim in claims) == list(range(1, 20, 2))


def test_a_campaign_of_suppressed_leads_ends_without_a_failure(build: Any) -> None:
    """As one with an empty list."""
    campaign = build.campaign(build.account(), leads=50)
    build.insert("suppressions", key="acme.test")
    run = build.begin(campaign)
    answer = build.claim(campaign, run)["answer"]
    finished = build.sql.finish_run(campaign=campaign, run=run)
    assert (answer, finished["status"], finished["error"]) == ("done", "completed", None)
    assert build.lead_states(campaign) == {"cancelled": 50}
    assert build.sql.rows("cancelled_reasons", campaign=campaign) == [
        {"reason": "suppressed", "leads": 50}
    ]


# --- the sweep ------------------------------------------------------------------------------------


def test_a_sweep_cancels_the_pending_leads_of_new_suppressions(build: Any) -> None:
    """However their rows spell them; not those of an owner that it does not hold for."""
    ours, theirs = uuid4(), uuid4()
    account = build.account()
    addresses = ["Mia@Acme.test", "noa@sub.acme.test", "liv@acme.test.example", "zoé@straße.test"]
    build.campaign(account, leads=addresses, user_id=ours, status="draft")
    build.campaign(account, leads=["mia@acme.test"], user_id=theirs, status="scheduled")
    build.insert("suppressions", key="acme.test", user_id=ours)
    build.insert("suppressions", key="zoé@xn--strae-oqa.test")
    assert (swept(build), states(build)) == (
        3,
        {
            "Mia@Acme.test": "cancelled",
            "noa@sub.acme.test": "cancelled",
            "liv@acme.test.example": "pending",
            "zoé@straße.test": "cancelled",
            "mia@acme.test": "pending",
        },
    )


def test_a_sweep_leaves_alone_what_is_done_or_may_be_on_its_way(build: Any) -> None:
    campaign = build.campaign(build.account(), leads=["a@x.test", "b@x.test"])
    run = build.begin(campaign)
    build.mail(campaign, run)
    build.open(campaign, run)
    build.insert("suppressions", key="x.test")
    before = build.lead_states(campaign)
    assert (swept(build), build.lead_states(campaign)) == (0, before)


def test_a_sweep_comes_to_an_end_in_batches(build: Any) -> None:
    """A domain of more leads than one call cancels, and more suppressions than one call takes."""
    campaign = build.campaign(build.account(), leads=12)
    build.insert("suppressions", key="acme.test")
    for n in range(6):
        build.insert("suppressions", key=f"{n}@x.test")
    answers = []
    while (answer := build.sql.sweep_suppressed(most=3, most_leads=5))["suppressions"]:
        answers.append((answer["suppressions"], answer["leads"]))
    # Three batches of suppressions, and the one with the domain of 12 leads twice more.
    assert (len(answers), sorted(leads for _, leads in answers)) == (5, [0, 0, 2, 5, 5])
    assert build.lead_states(campaign) == {"cancelled": 12}


def test_a_sweep_waits_for_nobody(build: Any, another: Any) -> None:
    """A lead that is being begun, and a suppression that is being written."""
    campaign = build.campaign(build.account(), leads=["a@x.test", "b@x.test"])
    build.insert("suppressions", key="x.test")
    other = another()
    with other.db.transaction():
        other.db.execute(
            "select from campaign_leads where lead_id = (select id from leads where email = 'a@x.test')"
            " for update"
        )
        other.db.execute("insert into suppressions (key) values ('y.test')")
        assert swept(build) == 1
    assert build.lead_states(campaign) == {"cancelled": 1, "pending": 1}


# --- nothing undoes it ----------------------------------------------------------------------------


def opted_out(build: Any, **campaign: Any) -> UUID:
    made: UUID = build.campaign(
        build.account(), leads=["mia@acme.test", "noa@acme.test"], **campaign
    )
    build.insert("suppressions", key="mia@acme.test", cause="opt_out")
    assert swept(build) == 1
    return made


def test_import_retry_resume_and_start_undo_nothing(build: Any) -> None:
    call = build.sql
    campaign = opted_out(build, status="draft")
    call.import_leads(rows=[{"email": "mia@acme.test", "name": "Mia"}])
    call.start_campaign(campaign=campaign)
    run = build.begin(campaign)
    build.mail(campaign, run, "refused", why="x")
    call.finish_run(campaign=campaign, run=run)
    call.retry_failed(campaign=campaign)
    call.pause_campaign(campaign=campaign)
    call.resume_campaign(campaign=campaign)
    held = call.retry_failed(campaign=campaign, suppressed=True)["leads"]
    assert (held, states(build)) == (0, {"mia@acme.test": "cancelled", "noa@acme.test": "pending"})


def test_what_was_lifted_is_mailed_when_a_person_asks_for_it(build: Any) -> None:
    """Only those; what was cancelled by hand stays."""
    campaign = opted_out(build)
    build.sql.lift_suppressions(keys=["mia@acme.test"], by_name="Ann")
    build.db.execute("update campaign_leads set status = 'cancelled' where status = 'pending'")
    plain = build.sql.retry_failed(campaign=campaign)["leads"]
    asked = build.sql.retry_failed(campaign=campaign, suppressed=True)["leads"]
    assert (plain, asked, states(build)) == (
        0, 1, {"mia@acme.test": "pending", "noa@acme.test": "cancelled"},
    )  # fmt: skip


def test_a_lead_that_is_tried_again_gets_a_new_draft(build: Any) -> None:
    """Its old one may have been deleted while nobody was to send it."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run, draft="d1")
    build.insert("suppressions", key="mia@acme.test")
    build.record(attempt, "not_sent", again_after=0.0)
    build.claim(campaign, run, at=1)
    build.sql.lift_suppressions(keys=["mia@acme.test"], by_name="Ann")
    build.sql.retry_failed(campaign=campaign, suppressed=True)
    claim = build.claim(campaign, run, at=2)["claims"][0]
    assert claim["draft"] is None


def test_a_draft_is_in_use_while_its_lead_is_to_be_mailed(build: Any) -> None:
    """Pending, in a campaign that was not cancelled; or on its way."""
    campaign = build.campaign(build.account(), leads=3)
    run = build.begin(campaign)
    waiting, failed = (build.open(campaign, run, draft=d) for d in ("waiting", "failed"))
    build.open(campaign, run, draft="open")
    for attempt, _ in (waiting, failed):
        build.record(attempt, "not_sent", again_after=900.0)
    build.db.execute("update campaign_leads set status = 'failed' where id = %s", (failed[1],))
    drafts = ["waiting", "failed", "open"]
    in_use = [row["draft"] for row in build.sql.rows("drafts_in_use", drafts=drafts)]
    build.sql.cancel_campaign(campaign=campaign)
    left = [row["draft"] for row in build.sql.rows("drafts_in_use", drafts=drafts)]
    assert (sorted(in_use), left) == (["open", "waiting"], ["open"])


# --- acts of persons ------------------------------------------------------------------------------


def suppress(build: Any, *keys: str, **more: Any) -> Any:
    entries = [{"key": key, **more} for key in keys]
    return build.sql.call("suppress", entries=entries, origin="command")


def test_what_holds_already_keeps_its_date(build: Any) -> None:
    first = suppress(build, "mia@acme.test", "mia@acme.test", "noa@acme.test")
    dated = build.db.execute("select key, created_at from suppressions order by 1").fetchall()
    again = suppress(build, "mia@acme.test", "liv@acme.test")
    now = build.db.execute("select key, created_at from suppressions order by 1").fetchall()
    assert (first["added"], first["known"], again["added"], again["known"]) == (2, 0, 1, 1)
    assert [row for row in now if row[0] != "liv@acme.test"] == dated


def test_an_end_is_only_ever_moved_away(build: Any) -> None:
    """Who lists an address for some time frees it no earlier than others asked."""
    suppress(build, "mia@acme.test", until="2030-01-01")
    earlier = suppress(build, "mia@acme.test", until="2029-01-01")
    later = suppress(build, "mia@acme.test")
    until = build.db.execute("select until from suppressions").fetchone()
    assert (earlier["added"], later["added"], until) == (0, 1, (None,))


@pytest.mark.parametrize("domain", ["gmail.com", "co.uk"])
def test_a_domain_of_many_is_suppressed_only_by_force(build: Any, domain: str) -> None:
    refused = suppress(build, domain, "mia@gmail.com")
    forced = build.sql.call("suppress", entries=[{"key": domain}], origin="command", forced=True)
    assert (refused["added"], refused["left_out"], forced["added"]) == (1, [domain], 1)


def test_lifted_imported_again_opted_out_again_the_last_act_stands(build: Any) -> None:
    """And the audit has each."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    build.mail(campaign, build.begin(campaign))
    call = build.sql
    call.unsubscribe(token="o1")
    call.lift_suppressions(keys=["mia@acme.test"], by_name=" Ann Example ")
    lifted = build.db.execute("select count(*) from suppressions").fetchone()[0]
    call.call("suppress", entries=[{"key": "mia@acme.test"}], origin="import", by_name="Bob")
    call.lift_suppressions(keys=["mia@acme.test"], by_name="Ann")
    call.unsubscribe(token="o1")
    told = [
        (x["act"], x["cause"], x["source"], x["by"])
        for x in call.rows("list_acts", key="mia@acme.test")
    ]
    assert (lifted, told) == (0, [
        ("suppressed", "opt_out", "link", None),
        ("lifted", "opt_out", "link", "Ann Example"),
        ("suppressed", "listed", "import", "Bob"),
        ("lifted", "listed", "import", "Ann"),
        ("suppressed", "opt_out", "link", None),
    ])  # fmt: skip


@pytest.mark.parametrize("name", ["", "  "])
def test_nothing_is_lifted_without_a_name(build: Any, name: str) -> None:
    suppress(build, "mia@acme.test")
    answer = build.sql.lift_suppressions(keys=["mia@acme.test"], by_name=name)
    left = build.db.execute("select count(*) from suppressions").fetchone()
    assert (answer["answer"], left) == ("rejected", (1,))


def test_what_another_suppression_holds_is_told(build: Any) -> None:
    suppress(build, "mia@acme.test", "acme.test", "test.example")
    answer = build.sql.lift_suppressions(
        keys=["mia@acme.test", "sub.acme.test", "test.example"], by_name="Ann"
    )
    assert (answer["lifted"], [held["key"] for held in answer["still"]]) == (
        2,
        ["mia@acme.test", "sub.acme.test"],
    )


def test_an_erased_address_is_lifted_by_its_name(build: Any) -> None:
    """The person came back, and said so."""
    build.db.execute(
        "insert into suppressions (key, cause) select 'erased:' || keyed_hash('mia@acme.test'), 'erased'"
    )
    assert build.sql.lift_suppressions(keys=["mia@acme.test"], by_name="Ann")["lifted"] == 1


def test_an_owners_list_is_their_own(build: Any) -> None:
    ours, theirs = uuid4(), uuid4()
    for owner in (ours, theirs):
        build.sql.call(
            "suppress", entries=[{"key": "mia@acme.test"}], origin="command", owner=owner
        )
    lifted = build.sql.lift_suppressions(keys=["mia@acme.test"], by_name="Ann", owner=ours)
    listed = build.sql.rows("list_suppressions")
    assert (lifted["lifted"], [row["owner"] for row in listed]) == (1, [str(theirs)])
