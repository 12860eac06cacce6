"""Opt-outs by their words: sure, held for a person to judge, or an ordinary reply."""

from unicodedata import normalize

import pytest

from outreach.inbound.classify import classify
from tests.inbound_mails import mail


def verdict(text: str, subject: str = "Re: Rockets") -> str:
    """`unsubscribe`, `held` or `reply`."""
    read = classify(mail(text, subject=subject))
    held = [one.verdict for one in read.recipients] == ["held"]
    return "held" if held and read.kind == "reply" else read.kind


@pytest.mark.parametrize(
    "own",
    [
        "Merci de ne plus me contacter.",
        "Merci de ne plus m'envoyer de mails.",
        "Veuillez ne plus m'écrire.",
        "Bitte nicht mehr anschreiben.",
        "Favor remover meu e-mail da sua lista.",
        "Favor me descadastrar.",
        "Stop met mailen aub.",
        "Gelieve mij uit te schrijven.",
        "No me vuelvan a escribir.",
        "Proszę o usunięcie moich danych z bazy.",
        "今後メールを送らないでください",
    ],
)
def test_a_polite_opt_out_that_is_all_is_one(own: str) -> None:
    assert verdict(own) == "unsubscribe"


PAST = [
    "No me enviaron nada.", "No me mandaste nada", "No me contactaron.", "No envié nada.",
    "No me enviaron más correos, ¿los mandan otra vez?", "Sacó mi correo", "Eliminé mi correo",
    "Não me enviaram mais nada.", "Não escreveu mais", "Descadastrou", "Usunąłem", "Wypisałem się",
    "Rimuoviamo", "Non mi mandavano più mail", "Disiscrissero", "Il ne m'envoyait plus rien.",
    "Désabonnait", "Avregistrerade mig", "Отписался", "Удалит",
]  # fmt: skip


@pytest.mark.parametrize("own", PAST)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_who_tells_what_happened_asks_for_nothing(own: str, form: str) -> None:
    """Most often that a mail or a file did not come."""
    assert verdict(normalize(form, own)) == "reply"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "own",
    [
        "No me envíen nada", "No me contacten más", "No me escribas más", "Eliminá mi correo",
        "Quítenme de su lista", "Desuscribirme", "Não me envie mais nada", "Não me mandem mais emails",
        "Me descadastre", "Usuńcie mnie", "Wypisuję się", "Rimuovetemi", "Non scrivetemi più",
        "Non mi contatti più", "Disiscrivermi", "Ne m'envoyez plus de mails", "Ne me contacté plus",
        "Désabonnez-moi", "Désinscription", "Avregistrering", "Отпишите меня", "Удалить",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_request_is_one_in_each_of_its_forms(own: str, form: str) -> None:
    """Imperative, infinitive, subjunctive, noun."""
    assert verdict(normalize(form, own)) == "unsubscribe"  # type: ignore[arg-type]
