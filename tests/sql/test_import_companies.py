"""import_leads: which company a row is about."""

from typing import Any

import pytest

COMPANIES = "select name, domain from companies order by name, domain"
COMPANY_OF = (
    "select l.email, c.name, c.domain from leads l left join companies c on c.id = l.company_id"
    " order by l.email"
)


def load(build: Any, *rows: dict[str, Any]) -> Any:
    """Rows without an address get one, in their order."""
    return build.sql.import_leads(
        rows=[{"email": f"{n}@x.test", **row} for n, row in enumerate(rows)]
    )


def companies(build: Any) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = build.db.execute(COMPANIES).fetchall()
    return found


def test_a_row_with_the_name_or_the_domain_alone_means_the_company_that_has_both(
    build: Any,
) -> None:
    """Whatever their order in the file, and whatever the case."""
    load(
        build,
        {"company": "ACME"},
        {"company": "Acme", "domain": "acme.test"},
        {"domain": "Acme.TEST"},
    )

    assert companies(build) == [("Acme", "acme.test")]
    assert [row[1] for row in build.db.execute(COMPANY_OF)] == ["Acme"] * 3


def test_a_domain_that_reads_like_a_name_is_no_name(build: Any) -> None:
    """Two companies, each lead at its own."""
    load(build, {"company": "Alpha", "domain": "beta"}, {"company": "Beta"})

    assert [row[1] for row in build.db.execute(COMPANY_OF)] == ["Alpha", "Beta"]


@pytest.mark.parametrize(
    "written", ["n/a", "-", "none", "k.A.", "nicht vorhanden", "a.test;b.test", "10.0.0.1"]
)  # fmt: skip
def test_what_is_no_domain_makes_no_company(build: Any, written: str) -> None:
    """All who have none would be colleagues there."""
    load(build, {"domain": written}, {"company": "Acme", "domain": written}, {"company": "Acme"})

    assert companies(build) == [("Acme", None)]
    assert [row[1] for row in build.db.execute(COMPANY_OF)] == [None, "Acme", "Acme"]


@pytest.mark.parametrize("written", ["acme.test, acme.de", "<acme.test>", '"acme.test";'])
def test_what_stands_around_a_domain_is_none_of_it(build: Any, written: str) -> None:
    load(build, {"domain": written})
    assert companies(build) == [("acme.test", "acme.test")]


def test_a_lead_stays_in_its_company_of_several_with_that_name_or_domain(build: Any) -> None:
    """A list that corrects the text of one, or has the domain alone."""
    rows = [
        {"company": "Müller", "domain": "bonn.test"},
        {"company": "Müller", "domain": "koeln.test"},
        {"company": "Acme", "domain": "acme.test"},
        {"company": "Acme GmbH", "domain": "acme.test"},
    ]
    load(build, *rows)
    before = build.db.execute(COMPANY_OF).fetchall()
    load(build, {"company": "Müller"}, {"company": "Müller"}, {"domain": "acme.test"}, {"domain": "acme.test"})  # fmt: skip
    assert build.db.execute(COMPANY_OF).fetchall() == before


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("acme.test", "acme.test"),
        (" WWW.Acme.Test ", "acme.test"),
        ("http://www.acme.test", "acme.test"),
        ("https://acme.test/", "acme.test"),
        ("HTTPS://www.acme.test:8443/en/team?x=1#top", "acme.test"),
        ("//acme.test/about", "acme.test"),
        ("acme.test.", "acme.test"),
        ("info@acme.test", "acme.test"),
        ("acme.test (old)", "acme.test"),
        ("shop.acme.test", "shop.acme.test"),
        ("www.de", "www.de"),
        ("  ", None),
    ],
)
def test_a_domain_is_what_an_address_of_the_web_holds(
    build: Any, written: str, domain: str | None
) -> None:
    """Without scheme, `www.`, path and case."""
    (found,) = build.db.execute("select public.bare_domain(%s)", (written,)).fetchone()

    assert found == domain


@pytest.mark.parametrize("stored", ["Acme.test", "www.acme.test", "https://www.acme.test/"])
def test_a_company_is_found_however_a_web_app_wrote_its_domain(build: Any, stored: str) -> None:
    """Its row stays as it is."""
    build.company("Acme", domain=stored)

    load(build, {"domain": "acme.test"}, {"company": "acme", "domain": "http://acme.test/jobs"})

    assert companies(build) == [("Acme", stored)]


def test_a_free_mail_domain_is_no_companys(build: Any) -> None:
    """Two customers with Gmail are no colleagues; the name alone says who they are, if anything does."""
    build.company("Mia's Bakery", domain="gmail.com")

    answer = load(
        build,
        {"company": "Mia's Bakery", "domain": "gmail.com"},
        {"company": "Tom & Sons Plumbing", "domain": "Gmail.com"},
        {"domain": "https://www.linkedin.com/company/acme"},
    )

    assert [row[1] for row in build.db.execute(COMPANY_OF)] == [
        "Mia's Bakery", "Tom & Sons Plumbing", None,
    ]  # fmt: skip
    assert answer["shared_domains"] == ["gmail.com", "linkedin.com"]


def test_a_domain_of_a_company_of_another_name_is_told_and_not_folded(build: Any) -> None:
    """Again and again the same two companies."""
    load(build, {"company": "Acme", "domain": "acme.test"})

    answers = [
        load(build, {"email": "b@x.test", "company": "Beta", "domain": "www.acme.test"})
        for _ in range(2)
    ]

    assert [row[1] for row in build.db.execute(COMPANY_OF)] == ["Acme", "Beta"]
    apart = {company["company"] for answer in answers for company in answer["kept_apart"]}
    assert (companies(build), len(apart)) == ([("Acme", "acme.test"), ("Beta", "acme.test")], 1)


def test_what_was_not_known_of_a_company_is_filled_in(build: Any) -> None:
    """Its domain, where it had a name alone; its name, where its domain stood for it."""
    load(build, {"company": "Acme"}, {"domain": "beta.test"})

    answer = load(
        build,
        {"company": "acme", "domain": "acme.test"},
        {"company": "Beta", "domain": "beta.test"},
    )

    assert companies(build) == [("Acme", "acme.test"), ("Beta", "beta.test")]
    assert (answer["companies_added"], answer["kept_apart"]) == (0, [])
