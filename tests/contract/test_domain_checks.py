"""What a check finds of the domains of accounts and leads, asked of a DNS server on loopback."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from outreach.campaign.models import Company, Lead, Sender
from outreach.campaign.snapshot import CampaignAccount, PlannedMail
from outreach.domains.lookups import Lookups, lookups_for
from outreach.domains.resolver import Resolver
from outreach.preflight import domain_checks
from outreach.preflight.domain_checks import DomainChecks
from outreach.preflight.findings import Finding, RecipientDomains, Tally
from outreach.settings import Settings
from outreach.urls import servers
from tests.dns_server import DnsServer, serve_dns

ADA = "ada@ours.example"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with serve_dns() as running:
        yield running


def account(email: str = ADA, leads: int = 10) -> CampaignAccount:
    return CampaignAccount(
        id=uuid4(), email=email, status="active", leads=leads, sent_by_hour=[0] * 24
    )


def planned(email: str, **changes: Any) -> PlannedMail:
    sender = Sender(id=uuid4(), email=ADA)
    return PlannedMail(
        id=uuid4(), status="pending", sender=sender, lead=Lead(email=email), company=Company(),
        **changes,
    )  # fmt: skip


def checked(
    dns: DnsServer, accounts: list[CampaignAccount], mails: list[PlannedMail]
) -> tuple[list[Finding], list[str], RecipientDomains]:
    tally = Tally()
    with Lookups(Resolver(servers(dns.address))) as lookups:
        checks = DomainChecks(lookups)
        checks.see_accounts(accounts)
        for mail in mails:
            checks.see(mail)
        notes, counts = checks.tell(tally, None)
    return tally.findings(), notes, counts


def well(dns: DnsServer, domain: str = "ours.example") -> None:
    """A domain that receivers trust, as far as DNS tells."""
    dns.text(domain, "v=spf1 include:_spf.google.com ~all")
    dns.text(f"_dmarc.{domain}", "v=DMARC1; p=reject")
    dns.text(f"google._domainkey.{domain}", "v=DKIM1; p=MIGf")


# --- senders ------------------------------------------------------------------------------------


def test_a_domain_that_receivers_trust_is_well(dns: DnsServer) -> None:
    """A subdomain has its organisation's policy; gmail.com is Google's own, and not asked about."""
    well(dns)
    well(dns, "mail.ours.example")
    accounts = [account(), account("ben@mail.ours.example"), account("ada.byron@gmail.com")]
    assert checked(dns, accounts, []) == ([], [], RecipientDomains())
    assert not any("gmail.com" in question for question in dns.asked)


def test_a_domain_without_records_is_told_once_with_all_its_accounts(dns: DnsServer) -> None:
    """What is missing, and the record to add; a DKIM key may have any name."""
    dns.add("ours.example", "MX", "1 smtp.google.com.")
    findings, notes, _ = checked(dns, [account(), account("ben@ours.example", 5)], [])
    assert [(one.severity, one.message, one.remedy, one.count) for one in findings] == [
        (
            "warning",
            "ours.example has no SPF record",
            "add a TXT record to ours.example: “v=spf1 include:_spf.google.com ~all”",
            15,
        ),
        (
            "warning",
            "ours.example has no DMARC record",
            "add a TXT record to _dmarc.ours.example: “v=DMARC1; p=none”",
            15,
        ),
    ]
    assert findings[0].examples == [ADA, "ben@ours.example"]
    [note] = notes
    assert note.startswith("ours.example has no DKIM key named google: it signs with another, or")


@pytest.mark.parametrize(
    ("spf", "dmarc", "messages"),
    [
        (["v=spf1 -all"], ["v=DMARC1; p=reject"], ["The SPF record of ours.example does not cover Google (fail)"]),
        (["v=spf1 -all", "v=spf1 +all"], ["v=DMARC1; p=reject"], ["Receivers cannot use the SPF record of ours.example: there are several"]),
        (["v=spf1 +all"], ["v=DMARC1; p=x"], ["Receivers ignore the DMARC record of ours.example: it names no policy"]),
    ],
)  # fmt: skip
def test_a_record_that_does_not_serve_is_told(
    dns: DnsServer, spf: list[str], dmarc: list[str], messages: list[str]
) -> None:
    """With why."""
    well(dns)
    dns.text("ours.example", *spf)
    dns.text("_dmarc.ours.example", *dmarc)
    findings, notes, _ = checked(dns, [account()], [])
    assert ([one.message for one in findings], notes) == (messages, [])


def test_what_is_no_fault_is_a_note(dns: DnsServer) -> None:
    """A policy of none, a revoked key; and what DNS does not tell, which fails nothing."""
    well(dns)
    dns.text("_dmarc.ours.example", "v=DMARC1; p=none")
    dns.text("google._domainkey.ours.example", "v=DKIM1; p=")
    dns.fault("lame.example", "SERVFAIL")
    dns.fault("_dmarc.lame.example", "REFUSED")
    dns.text("google._domainkey.lame.example", "p=MIGf")
    findings, notes, _ = checked(dns, [account(), account("eve@lame.example", 1)], [])
    assert findings == []
    assert notes == [
        "The DMARC policy of ours.example is none: receivers report forged mail, and deliver it",
        "The DKIM key google of ours.example is revoked: what it signed does not count",
        "DNS does not tell of lame.example: SPF, DMARC",
    ]


# --- recipients ---------------------------------------------------------------------------------


def test_leads_whose_domains_take_no_mail_are_counted(dns: DnsServer) -> None:
    """By why; spellings of a domain are one, and what is no address is not looked up."""
    dns.add("acme.example", "MX", "10 mx.acme.example.")
    dns.add("small.example", "A", "192.0.2.1")
    dns.add("null.example", "MX", "0 .")
    dns.text("web.example", "hello")
    dns.fault("lame.example", "SERVFAIL")
    dns.add("xn--mnchen-3ya.example", "MX", "10 mx.acme.example.")
    addresses = [
        "zoe@acme.example", "zoe@small.example", "a@null.example", "b@NULL.example",
        "a@web.example", "a@gone.example", "b@gone.example", "c@gone.example", "d@gone.example",
        "a@lame.example", "a@münchen.example", "no address", "@", "x@localhost",
    ]  # fmt: skip
    findings, notes, counts = checked(dns, [], [planned(one) for one in addresses])
    assert {one.message: (one.count, one.examples) for one in findings} == {
        "The domain of the address does not exist": (4, [f"{x}@gone.example" for x in "abc"]),
        "The domain of the address takes no mail (null MX)": (2, ["a@null.example", "b@NULL.example"]),
        "The domain of the address has neither a mail server (MX) nor an address": (1, ["a@web.example"]),
    }  # fmt: skip
    assert {one.severity for one in findings} == {"warning"}
    assert notes == ["DNS does not tell of 1 of 7 recipients' domains whether they take mail"]
    assert counts == RecipientDomains(looked_up=7, unknown=1)
    assert dns.asked["gone.example MX"] == 1


def test_leads_that_are_not_mailed_are_not_looked_up(dns: DnsServer) -> None:
    """A suppressed one, and one whose row is gone."""
    mails = [planned("a@gone.example", suppressed="opted out"), planned("", missing="lead")]
    assert checked(dns, [], mails) == ([], [], RecipientDomains())
    assert not dns.asked


def test_a_bounded_number_of_domains_is_looked_up(
    dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the first leads, and of the accounts with the most; it says what was left."""
    monkeypatch.setattr(domain_checks, "MOST_DOMAINS", 2)
    monkeypatch.setattr(domain_checks, "MOST_SENDERS", 1)
    well(dns)
    accounts = [account("eve@other.example", 1), account()]
    mails = [planned(f"a@acme{number}.example") for number in (1, 2, 3, 1, 4)]
    findings, notes, counts = checked(dns, accounts, mails)
    assert [(one.check, one.count) for one in findings] == [("recipient domain", 3)]
    assert counts == RecipientDomains(looked_up=2, leads_left=2)
    assert notes == [
        "The domains of 1 accounts were not looked up, only the first 1",
        "The 2 recipients' domains of the first leads were looked up; those of 2 leads were not",
    ]
    assert dns.asked["acme3.example MX"] == 0


# --- whether DNS is asked -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, False),  # what is isolated, as the demo is, asks nobody
        ({"domain_checks": True}, True),
        ({"domain_checks": True, "gmail_api_url": "http://127.0.0.1:8025"}, False),
        ({"domain_checks": True, "gmail_api_url": "http://127.0.0.1:8025", "dns_servers": "127.0.0.1:5353"}, True),
        ({"domain_checks": False, "dns_servers": "127.0.0.1:5353"}, False),
    ],
)  # fmt: skip
def test_dns_is_asked_by_the_settings(settings: dict[str, Any], *, asked: bool) -> None:
    """The sandbox's domains are in no DNS but a test's."""
    with lookups_for(Settings.only(**settings)) as lookups:
        assert (lookups is not None) == asked


def test_without_dns_nothing_is_told() -> None:
    """Neither a problem nor a note."""
    tally, checks = Tally(), DomainChecks(None)
    checks.see_accounts([account()])
    checks.see(planned("a@gone.example"))
    assert checks.tell(tally, None) == ([], RecipientDomains())
    assert tally.findings() == []
