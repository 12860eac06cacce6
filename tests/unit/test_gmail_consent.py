"""What the consent page and the token endpoint may answer beyond what the sandbox does."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from outreach import wiring
from outreach.delivery.modes import COMPOSE, FULL, MODIFY, READONLY, SEND, Delivery, delivers
from outreach.errors import AccountUnusable, ConfigurationError, Rejected
from outreach.gmail import tokens as access
from outreach.gmail.consent import Granted, Question, verification
from outreach.settings import Settings

HERE = "http://127.0.0.1:8400/"
IDENTITY = frozenset({"openid", "https://www.googleapis.com/auth/userinfo.email"})
APP = {"google_client_id": "id", "google_client_secret": SecretStr("hush")}


class Answering(access.TokenService):
    """A token endpoint that answers this, and tells what it was asked."""

    def __init__(self, **answer: Any) -> None:
        super().__init__(Settings.only())
        self._answer = answer
        self.asked: tuple[str, ...] = ()

    def redeem(self, *asked: str) -> dict[str, Any]:
        self.asked = asked
        return self._answer


def question(**changes: Any) -> Question:
    return Question(Settings.only(**APP), HERE, **changes)


def id_token(**claims: str) -> str:
    parts = ({"alg": "RS256"}, claims, "sig")
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
    return b".".join(part.rstrip(b"=") for part in encoded).decode()


def answer(**changes: Any) -> dict[str, Any]:
    whole = {
        "access_token": "ya29.hush",
        "refresh_token": "1//hush",
        "scope": f"{MODIFY} {' '.join(IDENTITY)}",
        "id_token": id_token(email="ada@ours.example"),
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def test_a_code_is_redeemed_with_its_verifier() -> None:
    """The account is the one of the id token, with all that Google granted."""
    asking, tokens = question(), Answering(**answer())
    granted = asking.redeem({"code": "4/x"}, tokens)
    assert granted == Granted("ada@ours.example", SecretStr("1//hush"), IDENTITY | {MODIFY})
    assert tokens.asked == ("4/x", asking.verifier, HERE)


@pytest.mark.parametrize(
    ("query", "changes", "says"),
    [
        ({"error": "access_denied"}, {}, "Access was denied"),
        ({"error": "org_internal\n"}, {}, r"'org_internal\\n'"),
        ({}, {}, "ended without an answer"),
        ({"code": "c"}, {"refresh_token": None}, "gave no refresh token"),
        ({"code": "c"}, {"id_token": None}, "did not tell whose account"),
        ({"code": "c"}, {"id_token": "hush"}, "did not tell whose account"),
        ({"code": "c"}, {"id_token": id_token(sub="1")}, "did not tell whose account"),
        ({"code": "c"}, {"scope": " ".join(IDENTITY)}, "was not ticked"),
        ({"code": "c"}, {"scope": READONLY}, "was not ticked"),
    ],
)
def test_anything_else_is_refused_without_a_secret(
    query: dict[str, str], changes: dict[str, Any], says: str
) -> None:
    """One sentence each."""
    with pytest.raises((Rejected, AccountUnusable), match=says) as refused:
        question().redeem(query, Answering(**answer(**changes)))
    assert "hush" not in str(refused.value)


def test_each_question_is_asked_anew() -> None:
    """Its state and its verifier are its own, and no log shows them."""
    one, other = question(), question(send_only=True)
    asked = [parse_qs(urlsplit(q.address).query) for q in (one, other)]
    assert asked[0]["scope"] == [f"openid email {MODIFY}"]
    assert asked[1]["scope"] == [f"openid email {SEND}"]
    assert asked[0]["state"] != asked[1]["state"]
    assert asked[0]["code_challenge"] != asked[1]["code_challenge"]
    assert not any(secret in repr(one) for secret in (one.state, one.verifier, "hush"))


def test_only_its_own_state_answers_it() -> None:
    """Neither another question's nor none."""
    one, other = question(), question()
    brought = ({"state": one.state}, {"state": other.state}, {"state": "ä"}, {})
    assert [one.is_answered_by(query) for query in brought] == [True, False, False, False]


def test_a_wrong_address_of_the_page_names_its_setting() -> None:
    """GOOGLE_AUTH_URL."""
    with pytest.raises(ConfigurationError, match="GOOGLE_AUTH_URL is not usable"):
        Settings.only(**APP, google_auth_url="accounts.google.com")


@pytest.mark.parametrize("name", ["gmail_api_url", "google_token_url", "google_auth_url"])
def test_what_is_pretended_goes_with_a_local_database(name: str) -> None:
    """Each address alone is enough to be refused beside a real one."""
    real = Settings.only(**{name: "http://127.0.0.1:8025", "supabase_url": "https://a.example"})
    with pytest.raises(ConfigurationError, match="or use a local database"):
        wiring.refuse_mixed_worlds(real)


@pytest.mark.parametrize(
    "url", ["foo", "mysql://u:p@db.example/x", "postgresql://u:p w@127.0.0.1:abc/x"]
)
def test_what_is_no_address_of_a_database_is_not_taken_for_a_real_one(url: str) -> None:
    """Whoever tries the sandbox would be told to mail for real."""
    given = {"gmail_api_url": "http://127.0.0.1:8025", "database_url": url}
    wiring.refuse_mixed_worlds(Settings.only(**given))


@pytest.mark.parametrize("name", ["google_token_url", "google_auth_url"])
def test_consent_is_given_and_redeemed_at_the_same_place(name: str) -> None:
    """A real person's consent is not taken to the sandbox, nor a pretended one to Google."""
    with pytest.raises(ConfigurationError, match="both be Google's, or both the sandbox's"):
        wiring.refuse_half_a_consent(Settings.only(**{name: "http://127.0.0.1:8025"}))


@pytest.mark.parametrize(
    ("delivery", "scope", "says"),
    [
        ("drafts", MODIFY, "delivers by drafts, exactly once (modify)"),
        ("drafts", FULL, "delivers by drafts, exactly once (https://mail.google.com/)"),
        ("direct", SEND, "delivers by direct, at most once (send)"),
    ],
)
def test_scopes_are_named_as_people_know_them(delivery: Delivery, scope: str, says: str) -> None:
    """Without those that tell who somebody is."""
    assert delivers(delivery, IDENTITY | {scope}) == says


@pytest.mark.parametrize(
    ("scopes", "says"),
    [
        ({MODIFY}, "with a security assessment"),
        ({SEND, COMPOSE}, "with a security assessment"),
        ({SEND}, "without a security assessment"),
        ({SEND, READONLY}, "with a security assessment"),
    ],
)
def test_googles_verification_follows_from_the_scopes(scopes: set[str], says: str) -> None:
    """Restricted ones want an assessment, gmail.send alone does not."""
    assert says in verification(frozenset(scopes) | IDENTITY)
