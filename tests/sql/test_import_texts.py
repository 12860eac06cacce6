"""import_leads: whose text is it, and whose mails change."""

from typing import Any
from uuid import UUID, uuid4

import pytest

TEXTS = "select email, email_subject, email_template from leads order by email"
COMPANIES = "select name, email_subject, email_template from companies order by name"


def load(build: Any, *rows: dict[str, Any], **more: Any) -> Any:
    return build.sql.import_leads(rows=list(rows), **more)


def row(who: str, subject: str = "", template: str = "", **more: Any) -> dict[str, Any]:
    texts = {"email_subject": subject, "email_template": template}
    return {"email": f"{who}@x.test", "company": "Plane", **texts, **more}


def texts(build: Any) -> dict[str, tuple[Any, ...]]:
    return {
        email[:3]: (subject, body) for email, subject, body in build.db.execute(TEXTS).fetchall()
    }


def planned(build: Any, campaign: UUID, **asked: Any) -> dict[str, tuple[str, str]]:
    """What list_mails hands out for each lead, as every version of its caller reads it."""
    companies: dict[str | None, Any] = {}
    found = {}
    for mail in build.sql.rows("list_mails", campaign=campaign, **asked):
        if mail["company"] is not None:
            companies[mail["company_id"]] = mail["company"]
        company = companies[mail["company_id"]]
        found[mail["lead"]["email"][:3]] = (company["email_subject"], company["email_template"])
    return found


def campaign_of(build: Any, *who: str, status: str = "running") -> UUID:
    account = build.account()
    made: UUID = build.campaign(account, status=status)
    for one in who:
        (lead,) = build.db.execute(
            "select id from leads where email = %s", (f"{one}@x.test",)
        ).fetchone()
        build.in_campaign(made, lead, account)
    return made


# --- whose it is ------------------------------------------------------------------------------


def test_a_text_that_the_rows_of_a_company_share_is_the_companys(build: Any) -> None:
    """Its leads have none of their own; a row without one has nothing against it."""
    load(build, row("mia", "A deck", "Hi {name}"), row("tom"), row("zoe", "A deck", "Hi {name}"))

    assert build.db.execute(COMPANIES).fetchall() == [("Plane", "A deck", "Hi {name}")]
    assert set(texts(build).values()) == {(None, None)}


def test_where_they_differ_each_lead_keeps_its_own(build: Any) -> None:
    """And the company has none of that: whose should it be?"""
    load(build, row("mia", "Your talk", "Hi"), row("tom", "Your post", "Hi"), row("zoe"))

    assert build.db.execute(COMPANIES).fetchall() == [("Plane", None, "Hi")]
    assert texts(build) == {
        "mia": ("Your talk", None), "tom": ("Your post", None), "zoe": (None, None),
    }  # fmt: skip


def test_a_lead_without_a_company_keeps_its_text(build: Any) -> None:
    """Which was lost without a word."""
    load(build, row("mia", "Your talk", "Hi Mia", company=""))

    assert texts(build) == {"mia": ("Your talk", "Hi Mia")}


def test_a_caller_may_know_more_rows_of_a_company_than_this_call_has(build: Any) -> None:
    """A file comes in several calls."""
    load(build, row("mia", "Your talk", "Hi", own_text=["email_subject"]))

    assert build.db.execute(COMPANIES).fetchall() == [("Plane", None, "Hi")]
    assert texts(build) == {"mia": ("Your talk", None)}


def test_a_lead_with_a_text_of_its_own_gets_the_next_one_as_its_own(build: Any) -> None:
    """So that nobody else of its company is mailed it."""
    load(build, row("mia", "One", "Hi"), row("tom", "Two", "Hi"))
    load(build, row("mia", "Three", "Hi"))

    assert build.db.execute(COMPANIES).fetchall() == [("Plane", None, "Hi")]
    assert texts(build)["mia"] == ("Three", None)


def test_a_text_is_taken_away_by_asking_only(build: Any) -> None:
    """Then the company's counts again."""
    load(build, row("mia", "One", "Hi"), row("tom", "Two", "Hi"))
    load(build, row("mia"), row("tom", clear=["email_subject"]))

    assert texts(build) == {"mia": ("One", None), "tom": (None, None)}


# --- who is mailed it -------------------------------------------------------------------------


@pytest.fixture
def mixed(build: Any) -> UUID:
    """A campaign of leads with a text of their own and without, of one company and of none."""
    load(build, row("ann", "Ours", "Hi"), row("bob", "Ours", "Hi"))
    load(build, row("mia", "Mine", "Hi", own_text=["email_subject"]))
    load(build, row("tom"), row("zoe", "Zoe", "Hi Zoe", company=""), row("kim", company=""))
    return campaign_of(build, "ann", "mia", "bob", "tom", "zoe", "kim")


EACH = {
    "ann": ("Ours", "Hi"), "mia": ("Mine", "Hi"), "bob": ("Ours", "Hi"), "tom": ("Ours", "Hi"),
    "zoe": ("Zoe", "Hi Zoe"), "kim": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("most", [1, 2, 500])
def test_a_list_of_mails_has_each_leads_text_as_its_companys(
    build: Any, mixed: UUID, most: int
) -> None:
    """For a caller that keeps a company for the leads after it, on a page and over pages."""
    found: dict[str, Any] = {}
    after = UUID(int=0)
    while page := build.sql.rows("list_mails", campaign=mixed, after=after, most=most):
        found |= planned(build, mixed, after=after, most=most)
        after = UUID(page[-1]["id"])

    assert found == EACH


def test_a_claim_has_each_leads_text_as_its_companys(build: Any, mixed: UUID) -> None:
    """For workers that know of no other."""
    claims = build.claim(mixed, build.begin(mixed))["claims"]

    assert {
        claim["lead"]["email"][:3]: (
            claim["company"]["email_subject"], claim["company"]["email_template"],
        )
        for claim in claims
    } == EACH  # fmt: skip


def test_a_leads_own_subject_may_have_variables(build: Any) -> None:
    """As its company's may: then the campaign fills them."""
    load(build, row("mia", "{{ name }}, your talk", "Hi", company=""), list_tag="t")
    build.account()

    made = build.sql.create_campaign(
        campaign=uuid4(),
        campaign_name="N",
        account_addresses=["ann@us.test"],
        lead_tag="t",
        subject_variables=None,
    )

    assert made["subject_variables"] is True


# --- whose mails change -----------------------------------------------------------------------


def test_a_change_of_text_names_the_campaigns_that_are_not_ended(build: Any) -> None:
    """With the leads that are yet to be mailed, of the company and without a text of their own."""
    load(build, row("mia", "Old", "Hi"), row("tom"), row("zoe", company="Other"))
    load(build, row("kim", "Own", "Hi", own_text=["email_subject"]))
    draft = campaign_of(build, "mia", "tom", "kim", "zoe", status="draft")
    campaign_of(build, "mia", status="completed")
    campaign_of(build, "mia", status="cancelled")

    same, changed, again = (
        load(build, row("mia", subject, "Hi"))["text_changed"] for subject in ("Old", "New", "New")
    )

    assert (same, again) == ([], [])
    assert changed == [{"id": str(draft), "name": "Spring", "status": "draft", "leads": 2}]


def test_a_lead_that_was_mailed_changes_no_more(build: Any) -> None:
    """Only what is pending."""
    load(build, row("mia", "Old", "Hi"))
    campaign = campaign_of(build, "mia")
    build.mail(campaign, build.begin(campaign))

    assert load(build, row("mia", "New", "Hi"))["text_changed"] == []


def test_another_company_is_another_text(build: Any) -> None:
    """A row that moves its lead is told of too; a new text of its own as well."""
    load(build, row("mia", "One", "Hi"), row("tom", "Two", "Hi", company="Other"))
    campaign_of(build, "mia", "tom")

    moved = load(build, row("mia", company="Other"))["text_changed"]
    given = load(build, row("tom", "Three", "Hi", own_text=["email_subject"]))["text_changed"]

    assert [changed["leads"] for changed in (*moved, *given)] == [1, 1]
