"""What DNS says of senders' and recipients' domains, asked of a real server on loopback."""

import time
from collections.abc import Iterator

import pytest

from outreach.domains.dkim import find_key
from outreach.domains.dmarc import Dmarc, find_policy, walk
from outreach.domains.lookups import Lookups
from outreach.domains.recipient import look_up_recipient
from outreach.domains.resolver import MOST_RECORDS, Resolver, Unanswered
from outreach.domains.sender import SenderDomain, look_up_sender
from outreach.domains.spf import Spf, evaluate
from outreach.urls import servers
from tests.dns_server import DnsServer, serve_dns

INCLUDES_GOOGLE = "v=spf1 include:_spf.google.com ~all"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with serve_dns() as running:
        yield running


@pytest.fixture
def resolver(dns: DnsServer) -> Resolver:
    return Resolver(servers(dns.address))


# --- recipients ---------------------------------------------------------------------------------


def test_a_domain_takes_mail_at_its_mail_servers_or_at_its_own_address(
    dns: DnsServer, resolver: Resolver
) -> None:
    """RFC 5321, and RFC 7505 for the null MX; an alias counts as its target."""
    dns.add("mx.example", "MX", "20 b.mx.example.", "10 a.mx.example.")
    dns.add("a.example", "A", "192.0.2.1")
    dns.add("aaaa.example", "AAAA", "2001:db8::1")
    dns.add("alias.example", "CNAME", "mx.example.")
    dns.add("null.example", "MX", "0 .")
    dns.add("half-null.example", "MX", "0 .", "10 a.mx.example.")
    dns.text("nothing.example", "hello")
    dns.add("loop.example", "CNAME", "pool.example.")
    dns.add("pool.example", "CNAME", "loop.example.")
    dns.add("nowhere.example", "CNAME", "gone.example.")
    found = {
        name: look_up_recipient(resolver, f"{name}.example")
        for name in (
            "mx", "a", "aaaa", "alias", "null", "half-null", "nothing", "gone", "loop", "nowhere",
        )
    }  # fmt: skip
    assert found == {
        "mx": "yes",
        "a": "yes",
        "aaaa": "yes",
        "alias": "yes",
        "null": "null MX",
        "half-null": "yes",
        "nothing": "no address",
        "gone": "no domain",
        "loop": "unknown",
        "nowhere": "no domain",
    }


@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "FORMERR", "referral"])
def test_an_answer_that_proves_nothing_is_unknown(
    dns: DnsServer, resolver: Resolver, fault: str
) -> None:
    """A broken zone, a server that serves others, and one that only knows who to ask."""
    dns.fault("acme.example", fault)
    assert look_up_recipient(resolver, "acme.example") == "unknown"


def test_a_missing_mail_server_and_an_unknown_address_are_unknown(
    dns: DnsServer, resolver: Resolver
) -> None:
    """Only what is proven absent counts as absent."""
    dns.text("acme.example", "hello")
    dns.fault("acme.example A", "SERVFAIL")
    assert look_up_recipient(resolver, "acme.example") == "unknown"


def test_a_flood_of_records_is_not_read(dns: DnsServer, resolver: Resolver) -> None:
    """A message holds 4,000; more than anyone needs is unknown, and is not cached."""
    dns.add("many.example", "A", *(f"10.0.{n // 256}.{n % 256}" for n in range(1_000)))
    dns.add("fits.example", "A", *(f"10.0.0.{n}" for n in range(MOST_RECORDS)))
    assert len(resolver.addresses("fits.example").values) == MOST_RECORDS
    for _ in range(2):
        with pytest.raises(Unanswered):
            resolver.addresses("many.example")
    assert dns.asked["many.example A"] == 4  # each time by UDP, then by TCP


def test_a_name_that_is_none_is_unknown(resolver: Resolver) -> None:
    """Too long, or with a label too long: nothing is asked."""
    for name in (f"{'a' * 64}.example", ".".join(["abcdefgh"] * 40), "a..example"):
        assert look_up_recipient(resolver, name) == "unknown"


# --- the cache ----------------------------------------------------------------------------------


def test_answers_are_cached_for_their_ttl(dns: DnsServer, resolver: Resolver) -> None:
    """Over all checks of the process; what does not exist too; what failed is asked again."""
    dns.add("acme.example", "MX", "10 mx.acme.example.")
    dns.add("moving.example", "MX", "10 mx.acme.example.", ttl=0)
    dns.fault("broken.example", "SERVFAIL")
    for name in ("acme", "moving", "gone", "broken"):
        for asking in (resolver, Resolver(servers(dns.address))):
            look_up_recipient(asking, f"{name}.example")
    assert [dns.asked[f"{name}.example MX"] for name in ("acme", "moving", "gone", "broken")] == [
        1, 2, 1, 2,
    ]  # fmt: skip


# --- the end ------------------------------------------------------------------------------------


def test_what_is_not_answered_in_time_is_unknown(dns: DnsServer) -> None:
    """All together: a server that stays silent holds up no check."""
    dns.fault("*", "silent")
    with Lookups(Resolver(servers(dns.address)), seconds=0.05) as lookups:
        for number in range(100):
            lookups.begin_recipient(f"acme{number}.example")
        lookups.begin_sender("ours.example")
        senders, recipients = lookups.end()
    assert senders == [SenderDomain("ours.example")]
    assert set(recipients.values()) == {"unknown"}
    assert len(recipients) == 100


def test_the_callers_own_end_counts_when_it_is_earlier(dns: DnsServer) -> None:
    """A run waits for DNS no longer than for its other checks."""
    dns.fault("*", "silent")
    with Lookups(Resolver(servers(dns.address)), seconds=3600) as lookups:
        lookups.begin_recipient("acme.example")
        assert lookups.end(until=time.monotonic()) == ([], {"acme.example": "unknown"})


def test_without_a_dns_server_all_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network has none in resolv.conf."""
    resolver = Resolver()
    monkeypatch.setattr(resolver, "_resolver", None)
    assert look_up_sender(resolver, "acme.example") == SenderDomain("acme.example")


# --- SPF ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "result"),
    [
        (INCLUDES_GOOGLE, "pass"),
        ("V=SPF1 Include:_SPF.google.com -ALL", "pass"),
        ("v=spf1 redirect=_spf.google.com", "pass"),
        ("v=spf1 include:agency.example -all", "pass"),
        ("v=spf1 ip4:209.85.128.0/17 -all", "pass"),
        ("v=spf1 +all", "pass"),
        ("v=spf1 include:%{ir}.%{v}.%{d}.macro.example -all", "pass"),
        ("v=spf1 a:google-ip.example -all", "pass"),
        ("v=spf1 mx:mail.example/24 -all", "pass"),
        ("v=spf1 exists:%{i}.list.example -all", "pass"),
        ("v=spf1 ip6:2001:db8::/32 include:_spf.google.com -all", "pass"),
        ("v=spf1 redirect=agency.example", "pass"),
        ("v=spf1 include:spf.protection.example -all", "fail"),
        ("v=spf1 a mx ip4:192.0.2.0/24 ~all", "softfail"),
        ("v=spf1 a", "neutral"),
        ("v=spf1 -include:_spf.google.com +all", "fail"),
        ("v=spf1 exp=why.example ptr ?all", "neutral"),
        ("v=spf10 +all", "none"),
        ("google-site-verification=abc", "none"),
    ],
)
def test_a_record_is_evaluated_for_googles_servers(
    dns: DnsServer, resolver: Resolver, record: str, result: str
) -> None:
    """By Google's own record, which is not looked up, or by networks and hosts that hold them."""
    dns.text("acme.example", record)
    dns.add("acme.example", "A", "192.0.2.1")
    dns.text("agency.example", INCLUDES_GOOGLE)
    dns.text("spf.protection.example", "v=spf1 ip4:198.51.100.0/24 -all")
    dns.text("41.220.85.209.in-addr.acme.example.macro.example", "v=spf1 ip4:209.85.220.41")
    dns.add("google-ip.example", "A", "192.0.2.9", "209.85.220.41")
    dns.add("mail.example", "MX", "10 near.mail.example.")
    dns.add("near.mail.example", "A", "209.85.220.7")
    dns.add("209.85.220.41.list.example", "A", "127.0.0.2")
    assert evaluate(resolver, "acme.example") == Spf(result)
    assert not any("google.com" in question for question in dns.asked)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([INCLUDES_GOOGLE, "v=spf1 -all"], "there are several"),
        (["v=spf1 a:x.example mx:x.example include: -all"], "it has a term that SPF does not know"),
        (["v=spf1 includes:_spf.google.com"], "it has a term that SPF does not know"),
        (["v=spf1 ip4:1.2.3 -all"], "it has a network that is none"),
        (["v=spf1 ip4:2001:db8::/32 -all"], "it has a network that is none"),
        (["v=spf1 include:none.example -all"], "it includes a domain without one"),
        (["v=spf1 redirect=none.example"], "it redirects to a domain without one"),
        (["v=spf1 redirect=a.example redirect=b.example"], "it redirects twice"),
        (["v=spf1 include:acme.example"], "it needs more than 10 look-ups"),
        (["v=spf1 a:1.example a:2.example a:3.example -all"], "more than 2 of its look-ups find nothing"),
        (["v=spf1 mx:many.example -all"], "it names a domain with too many mail servers"),
        (["v=spf1 include:%{q}.example -all"], "it has a macro that SPF does not know"),
        (["v=spf1 include:%x.example -all"], "it has a macro that SPF does not know"),
    ],
)  # fmt: skip
def test_a_broken_record_says_why(
    dns: DnsServer, resolver: Resolver, records: list[str], problem: str
) -> None:
    """Receivers evaluate none of it."""
    dns.text("acme.example", *records)
    dns.text("none.example", "hello")
    dns.add("many.example", "MX", *(f"10 mx{n}.many.example." for n in range(11)))
    assert evaluate(resolver, "acme.example") == Spf("permerror", problem)


def test_a_record_in_several_strings_is_one(dns: DnsServer, resolver: Resolver) -> None:
    """Without a blank between them; a TXT that is not ASCII disturbs nothing."""
    dns.add("acme.example", "TXT", '"v=spf1 include:_spf.goo" "gle.com ~all"', '"\\195\\040"')
    assert evaluate(resolver, "acme.example") == Spf("pass")


@pytest.mark.parametrize(
    "record", ["v=spf1 include:%{l}.x.example -all", "v=spf1 a:lame.example -all"]
)
def test_a_record_that_cannot_be_told_is_unknown(
    dns: DnsServer, resolver: Resolver, record: str
) -> None:
    """One that differs from sender to sender, and one with a part that DNS does not answer."""
    dns.text("acme.example", record)
    dns.fault("lame.example", "SERVFAIL")
    assert look_up_sender(resolver, "acme.example").spf is None


# --- DMARC --------------------------------------------------------------------------------------


def test_the_policy_is_the_domains_own_or_its_organisations(
    dns: DnsServer, resolver: Resolver
) -> None:
    """By a walk up the tree; `sp` counts for subdomains alone, a suffix's record last."""
    dns.text("_dmarc.acme.example", "v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@acme.example")
    dns.text("_dmarc.own.acme.example", "v=DMARC1;p=none")
    dns.text("_dmarc.middle.plain.example", "v=DMARC1; p=reject")
    dns.text("_dmarc.plain.example", "v=DMARC1; p=Quarantine")
    dns.text("_dmarc.bank", "v=DMARC1; p=reject; psd=y")
    dns.text("_dmarc.org.bank", "v=DMARC1; p=none")
    dns.text("_dmarc.division.big.example", "v=DMARC1; p=quarantine; psd=n")
    dns.text("_dmarc.big.example", "v=DMARC1; p=none")
    found = {
        domain: find_policy(resolver, domain)[:2]
        for domain in (
            "acme.example", "mail.acme.example", "own.acme.example", "a.middle.plain.example",
            "x.org.bank", "other.bank", "x.division.big.example",
        )
    }  # fmt: skip
    assert found == {
        "acme.example": ("reject", "acme.example"),
        "mail.acme.example": ("quarantine", "acme.example"),
        "own.acme.example": ("none", "own.acme.example"),
        "a.middle.plain.example": ("quarantine", "plain.example"),
        "x.org.bank": ("none", "org.bank"),
        "other.bank": ("reject", "bank"),
        "x.division.big.example": ("quarantine", "division.big.example"),
    }


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([], Dmarc("")),
        (["hello", "v=DMARC1; p=reject"], Dmarc("reject", "acme.example")),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], Dmarc("", problem="there are several")),
        (["v=DMARC1; p=rejcet"], Dmarc("", problem="it names no policy")),
        (["v=DMARC1; rua=mailto:a@acme.example"], Dmarc("none", "acme.example")),
        (["v=dmarc1; p=reject"], Dmarc("")),
        (["p=reject; v=DMARC1"], Dmarc("")),
    ],
)
def test_a_record_that_receivers_ignore_is_none(
    dns: DnsServer, resolver: Resolver, records: list[str], found: Dmarc
) -> None:
    """And says why, where there is one; a TXT of another kind hides nothing."""
    dns.text("acme.example", "hello")
    if records:
        dns.text("_dmarc.acme.example", *records)
    assert find_policy(resolver, "acme.example") == found


def test_a_policy_above_does_not_count_where_the_domains_own_is_unknown(
    dns: DnsServer, resolver: Resolver
) -> None:
    """It may have one of its own."""
    dns.text("_dmarc.acme.example", "v=DMARC1; p=reject")
    dns.fault("_dmarc.mail.acme.example", "SERVFAIL")
    assert look_up_sender(resolver, "mail.acme.example").dmarc is None


def test_a_long_name_is_walked_in_eight_steps() -> None:
    """Whatever its length."""
    names = list(walk("a.b.c.d.e.f.g.h.i.example.com"))
    assert (len(names), names[1], names[-1]) == (8, "e.f.g.h.i.example.com", "com")


# --- DKIM ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ("v=DKIM1; k=rsa; p=MIGfMA0", "key"),
        ("v=DKIM1; k=rsa; p=", "revoked"),
        ("hello", "absent"),
        (None, "absent"),
    ],
)
def test_the_key_of_workspace_is_looked_for_under_its_usual_name(
    dns: DnsServer, resolver: Resolver, record: str | None, found: str
) -> None:
    """An empty key was revoked."""
    if record:
        dns.text("google._domainkey.acme.example", record)
    assert find_key(resolver, "acme.example") == found
