"""import_leads: rows of a file become leads and companies."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

LEADS = (
    "select l.email, l.name, l.role, l.tag, l.custom_fields, c.name, c.domain from leads l"
    " left join companies c on c.id = l.company_id order by lower(l.email)"
)
COMPANIES = (
    "select name, domain, email_subject, email_template from companies order by name, domain"
)


def load(build: Any, *rows: dict[str, Any], **more: Any) -> Any:
    return build.sql.import_leads(rows=list(rows), **more)


def imported(added: int, updated: int = 0, companies: int = 0, **told: Any) -> dict[str, Any]:
    counts = {"added": added, "updated": updated, "companies_added": companies, "erased": 0}
    nothing: dict[str, Any] = {"text_changed": [], "kept_apart": [], "shared_domains": []}
    return {"answer": "imported", **counts, **nothing, **told}


def test_a_row_becomes_a_lead_and_its_company(build: Any) -> None:
    """All columns; what is around an address or a name is trimmed."""
    answer = load(
        build,
        {
            "email": " Bob@acme.test ", "name": "Bob", "role": "CEO", "company": " Acme ", "domain": " Acme.TEST",
            "email_subject": "Hello", "email_template": "Hi {name}", "custom_fields": {"city": "Rome"},
        },
        list_tag="spring",
    )  # fmt: skip
    assert answer == imported(1, companies=1)
    assert build.db.execute(LEADS).fetchall() == [
        ("Bob@acme.test", "Bob", "CEO", "spring", {"city": "Rome"}, "Acme", "acme.test")
    ]
    assert build.db.execute(COMPANIES).fetchall() == [("Acme", "acme.test", "Hello", "Hi {name}")]


def test_importing_again_updates_and_changes_nothing(build: Any) -> None:
    """The rows are the state that is wanted."""
    rows = [
        {"email": "a@x.test", "name": "A", "company": "Acme", "domain": "acme.test"},
        {"email": "b@x.test", "company": "acme"},
        {"email": "A@x.test", "name": "A2", "custom_fields": {"k": 2}},
        {"email": "c@x.test", "company": "Other"},
    ]
    first = load(build, *rows)
    before = build.everything()
    again = load(build, *rows)
    assert (first, again, build.everything()) == (imported(3, 0, 2), imported(0, 3, 0), before)


def test_an_address_is_one_lead_whatever_its_case(build: Any) -> None:
    """What a row leaves out stays; custom fields are merged."""
    build.lead("bob@acme.test", name="Bob", role="CEO", tag="old", custom_fields={"a": 1, "b": 1})
    load(build, {"email": "BOB@acme.test", "role": "CTO", "custom_fields": {"b": 2}})
    assert build.db.execute(LEADS).fetchall() == [
        ("bob@acme.test", "Bob", "CTO", "old", {"a": 1, "b": 2}, None, None)
    ]


def test_an_empty_value_erases_nothing_unless_it_is_asked_to(build: Any) -> None:
    """A new lead has it, known and empty; a known lead keeps what it has."""
    build.lead("a@x.test", name="A", role="CTO", custom_fields={"city": "Graz", "phone": "1"})
    row = {"name": "", "role": "", "empty_fields": {"city": "", "phone": "", "plan": ""}}

    load(build, {"email": "a@x.test", **row}, {"email": "b@x.test", **row})

    assert build.db.execute(LEADS).fetchall() == [
        ("a@x.test", "A", "CTO", None, {"city": "Graz", "phone": "1", "plan": ""}, None, None),
        ("b@x.test", None, None, None, {"city": "", "phone": "", "plan": ""}, None, None),
    ]

    load(build, {"email": "a@x.test", **row, "clear": ["name"], "custom_fields": {"city": ""}})

    assert build.db.execute(LEADS).fetchone() == (
        "a@x.test", None, "CTO", None, {"city": "", "phone": "1", "plan": ""}, None, None,
    )  # fmt: skip


def test_a_field_in_another_spelling_is_the_same_field(build: Any) -> None:
    """A placeholder takes any of its spellings, so that the older value must not stay beside."""
    old = {"First Name": "Mia", "Plan": "free", "city": "Graz"}
    build.lead("a@x.test", custom_fields=old)
    build.lead("b@x.test", custom_fields={"First Name": "Bo"})
    row = {
        "custom_fields": {"first_name": "Maja", "Team-Size": "9", "City": "Wien"},
        "empty_fields": {"plan": "", "seats": ""},
    }

    load(build, {"email": "a@x.test", **row}, {"email": "b@x.test", "custom_fields": {"x": 1}})

    assert [lead[4] for lead in build.db.execute(LEADS).fetchall()] == [
        {"first_name": "Maja", "Plan": "free", "City": "Wien", "Team-Size": "9", "seats": ""},
        {"First Name": "Bo", "x": 1},
    ]


def test_a_file_with_two_spellings_keeps_both(build: Any) -> None:
    build.lead("a@x.test", custom_fields={"First Name": "Mia"})
    row = {"custom_fields": {"First Name": "Maja", "first_name": "M."}}
    load(build, {"email": "a@x.test", **row})
    assert [lead[4] for lead in build.db.execute(LEADS).fetchall()] == [row["custom_fields"]]


def test_a_lead_is_in_every_list_that_imported_it(build: Any) -> None:
    """leads.tag has the last one, as the web app knows it; a campaign finds it by each."""
    build.account()
    for tag in ("spring", "summer", "spring", "autumn"):
        load(build, {"email": "a@x.test"}, list_tag=tag)
    load(build, {"email": "b@x.test"}, list_tag="spring")

    taken = {
        tag: build.sql.create_campaign(
            campaign=uuid4(), campaign_name=tag, account_addresses=["ann@us.test"], lead_tag=tag
        )["leads"]
        for tag in ("spring", "summer", "autumn")
    }

    assert taken == {"spring": 2, "summer": 1, "autumn": 1}
    assert build.db.execute("select tag, list_tags from leads where email like 'a%'").fetchone() == (
        "autumn", ["spring", "summer"],
    )  # fmt: skip


def test_of_two_rows_for_an_address_the_last_one_counts(build: Any) -> None:
    """New or known alike."""
    rows = [{"email": "a@x.test", "name": "One"}, {"email": "A@x.test", "name": "Two"}]
    load(build, *rows)
    added = build.db.execute("select name from leads").fetchall()
    load(build, *rows, {"email": "a@X.test", "name": "Three"})
    assert (added, build.db.execute("select name from leads").fetchall()) == (
        [("Two",)],
        [("Three",)],
    )


@pytest.mark.parametrize("known", ["[1]", '"x"', "null"])
@pytest.mark.parametrize("given", [[1], "x", None])
def test_custom_fields_that_are_no_object_are_replaced(build: Any, known: str, given: Any) -> None:
    """Whichever side they are on: never merged into something that is no object."""
    build.lead("a@x.test")
    build.db.execute("update leads set custom_fields = %s::jsonb", (known,))
    load(build, {"email": "a@x.test", "custom_fields": given})
    assert build.db.execute("select custom_fields from leads").fetchone() == ({},)


@pytest.mark.parametrize("email", [None, "", "  "])
def test_a_row_without_an_address_is_rejected_and_nothing_is_imported(
    build: Any, email: str | None
) -> None:
    """Which one is told."""
    before = build.everything()
    answer = load(build, {"email": "a@x.test", "company": "New"}, {"email": email}, {"name": "x"})
    assert (answer, build.everything()) == (
        {
            "answer": "rejected",
            "reason": "Row 2, 3 has no email address; add it or leave the row out.",
        },
        before,
    )


def test_no_rows_are_imported_as_none(build: Any) -> None:
    """An empty file is no error of the database's; psycopg sends an empty list as `{}`."""
    assert (load(build), build.sql.import_leads(rows={})) == (imported(0), imported(0))


def test_owners_have_leads_and_companies_of_their_own(build: Any) -> None:
    """The same address and domain, twice."""
    row = {"email": "a@x.test", "company": "Acme", "domain": "acme.test"}
    answers = [load(build, row, owner=uuid4()) for _ in range(2)]
    assert answers == [imported(1, companies=1)] * 2


def test_without_an_owner_rows_of_any_owner_are_known(build: Any) -> None:
    """One machine, one user."""
    build.lead("a@x.test", user_id=uuid4())
    assert load(build, {"email": "A@x.test"}) == imported(0, 1)


def test_many_rows_go_in_at_once(build: Any) -> None:
    """5,000, at 500 companies."""
    rows = [
        {"email": f"{n}@x.test", "company": f"C{n % 500}", "domain": f"c{n % 500}.test"}
        for n in range(5000)
    ]
    assert load(build, *rows) == imported(5000, companies=500)


def test_two_imports_at_once_make_nothing_twice(build: Any, another: Callable[[], Any]) -> None:
    """The second waits, then finds what the first one added."""
    rows = [{"email": "a@x.test", "company": "Acme"}]
    one, two = another(), another()
    with ThreadPoolExecutor(1) as pool:
        with one.db.transaction():
            first = one.import_leads(rows=rows)
            second = pool.submit(two.import_leads, rows=rows)
            build.until_blocked()
        assert (first, second.result(10)) == (imported(1, companies=1), imported(0, 1))
