"""Opt-outs by their words: sure, held for a person to judge, or an ordinary reply."""

from unicodedata import normalize

import pytest

from outreach.inbound.classify import classify
from tests.inbound_mails import mail

DISCLAIMER = (
    "This e-mail is confidential. If you have received it in error, please notify the sender."
)
CAUTION = (
    "CAUTION: This email originated from outside of the organization. Do not click links\n"
    "or open attachments unless you recognize the sender."
)


def verdict(text: str, subject: str = "Re: Rockets") -> str:
    """`unsubscribe`, `held` or `reply`."""
    read = classify(mail(text, subject=subject))
    held = [one.verdict for one in read.recipients] == ["held"]
    return "held" if held and read.kind == "reply" else read.kind


@pytest.mark.parametrize(
    "own",
    [
        "Unsubscribe\n\nWith best regards,\nJo Miller\nHead of Sales",
        "Unsubscribe\n\nThanks in advance\nJo",
        "Stop\n\nMarie Dupont\nDirectrice générale",
        "Baja\n\nLuis Pérez\nResponsable de ventas",
        "Désinscrire\n\nBelle journée,\nMarie",
        "Stop\n\nCari saluti\nMario",
        "Stop\n\nMet groet,\nPiet",
        "Stop\n\nOdesláno z iPhonu",
        "Stop\n\nSent from Proton Mail for iOS",
        "Stop\n\nDownload Outlook voor iOS",
    ],
)
def test_an_opt_out_above_a_closing_a_role_or_a_programs_line_is_one(own: str) -> None:
    assert verdict(own) == "unsubscribe"


@pytest.mark.parametrize(
    "own",
    [
        "unsubscribe\n\njo",
        f"Unsubscribe\n\nJo Miller\n\n{DISCLAIMER}",
        f"Hi Ada,\nStop\n\n{DISCLAIMER}",
        f"Hi Ada,\n\nstop\n\n{DISCLAIMER}",
        f"Hi, stop\n\n{DISCLAIMER}",
        "Unsubscribe\n\nJo Miller\n\nPlease consider the environment before printing this e-mail.",
        "Stop\n\nDiese Nachricht wurde von meinem Android Mobiltelefon mit GMX Mail gesendet.",
        "Stop\n\njust kidding",
        "Stop\n\nDoes it work with Outlook?",
        "Stop\n\nCall me, thanks",
        "[EXTERNAL EMAIL]\n\nStop",
        "[EXTERNAL EMAIL]\nStop\n\nJo",
        f"{CAUTION}\n\nStop\n\nJo",
        "ACHTUNG: Diese E-Mail stammt von einem externen Absender.\n\nHallo Ada,\n\nAbmelden",
    ],
)
def test_an_opt_out_at_the_beginning_is_held_whatever_follows(own: str) -> None:
    """A name, a disclaimer, a joke: a person has to look."""
    assert verdict(own) == "held"


def test_an_opt_out_in_the_subject_above_a_disclaimer_is_held() -> None:
    assert verdict(DISCLAIMER, "Remove me") == "held"
    assert verdict(DISCLAIMER, "STOP") == "held"
    assert verdict(DISCLAIMER, "Re: Stop") == "reply"  # the subject of our mail


@pytest.mark.parametrize(
    "own",
    [
        "No thanks, unsubscribe.",
        "Not interested. Unsubscribe.",
        "Not interested - please unsubscribe",
        "Please unsubscribe. Thanks, Jo",
        "Ada, please unsubscribe.",
        "Where did you get my address? Unsubscribe.",
        "Pas intéressé, merci de me désinscrire.",
        "Kein Interesse, bitte nicht mehr kontaktieren.",
        "Ich möchte Sie bitten, mich künftig nicht mehr anzuschreiben.",
        "Ich widerspreche der Verarbeitung meiner Daten nach Art. 21 DSGVO.",
        "Geen interesse, graag uitschrijven.",
        "Le ruego que me dé de baja.",
        "Non mi interessa, cancellatemi.",
        "Nie życzę sobie otrzymywania takich wiadomości.",
        "興味ありません。配信停止してください。",
        "Remove me and never come back",
    ],
)
def test_an_opt_out_that_is_a_clause_of_its_own_is_held(own: str) -> None:
    assert verdict(own) == "held"


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


@pytest.mark.parametrize(
    "own",
    [
        "Stop, first send the prices.",
        "Don't write, call me on Monday.",
        "I don't want to, but I must ask for a discount.",
        "Delete, add, edit: can users do it all?",
        "Unsubscribe? No, we want to buy.",
        "A list that people can leave when they like, and where they can\nunsubscribe, is our need.",
        "Thursday works.\n\nTD",
        "No mande nada, yo le llamo.",
        "De baja, hasta enero. Escríbame después.",
        "Désinscription, cookies, RGPD : tout y est.",
        "Slut för i dag, vi hörs i morgon.",
        "Rezygnuję, za drogo. Może taniej?",
        "Отказ. Но пришлите цены в мае.",
        "Please retire me as contact; Ann takes over.",
        "Interested. We removed me as admin.",
        "Please remove me as admin, Ann is it now.",
    ],
)
def test_an_ordinary_word_that_is_a_clause_of_its_own_is_a_reply(own: str) -> None:
    assert verdict(own) == "reply"


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
