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
        "Please remove me as an admin; Ann is it now.",
        "Remove me as organizer, please. Yes to Thursday.",
        "Plus de mails, plus de clients : ça nous intéresse !",
        "Keine Werbung, sondern Substanz. Gefällt mir, bitte Termin!",
        "Ja, meld mig. Vi vil gerne se en demo.",
        "Stop me, if I got this wrong…",
        "Ich widerspreche nicht, die Daten passen mir, Donnerstag.",
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


PAST += [
    "No me escribieron más", "Não me enviavam mais nada", "Desinscrevi", "Afmeldt", "Wypisałem", "Отписалась",
    "Non mi hanno scritto più", "Ne m'envoyaient plus de mails",
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


MISSPELLED = [
    "No me escribais más", "No me envieis más correos", "No me mandeis más", "No me contacteis más",
    "No contactad más", "Desuscribirse", "Desuscribete", "Eliminación de la lista",
    "Ne me contactes plus", "Ne me contactés plus", "ne m'écriver plus", "ne m'envoyés plus de mails",
    "Désabonnes-moi", "Désinscriez moi", "Supprimer moi de votre base", "Retirés moi de la liste",
    "Mi disiscrivo", "Non mi scrivano più", "Non mi contattino più", "Descadastro", "Desinscrição",
    "Tire-me já da lista", "Retire-me urgentemente da lista", "Afmeldelse", "Afmeldes",
    "Avregistreras", "Avmeldes", "Proszę usunąc mój adres", "Wypisujcie mnie", "Usunięcia z listy",
    "Nie kontaktować się ze mną więcej", "Отписывайте", "отписатся", "отпишыте",
]  # fmt: skip


@pytest.mark.parametrize("own", MISSPELLED)
def test_a_request_is_one_as_people_misspell_it(own: str) -> None:
    assert verdict(own) == "unsubscribe"
    assert verdict(f"{own}\n\nJo Miller\nHead of Sales") == "unsubscribe"


@pytest.mark.parametrize(
    "own",
    [
        "Non mi contatta più",
        "Não me enviam mais emails",
        "No me mandan más",
        "Désabonnont-moi de la liste",
        "Отписки",
        "Wypisywać mnie",
    ],
)
def test_another_form_of_such_a_verb_is_held_where_it_is_all(own: str) -> None:
    """It may be a request or a tale: a person has to look."""
    assert verdict(own) == "held"
    assert verdict(f"{own}\n\nJo Miller") == "held"


@pytest.mark.parametrize("own", ["Удалённо.", "No me mandan el archivo, ¿puede reenviarlo?"])
def test_a_word_that_only_begins_like_such_a_verb_is_a_reply(own: str) -> None:
    assert verdict(own) == "reply"


@pytest.mark.parametrize(
    "own",
    [
        "Please remove me as I am not interested.",
        "Remove me as soon as possible",
        "Please remove me as a recipient",
        "Please remove me as a subscriber.",
        "Wir haben schon einen Anbieter. Bitte keine Werbung.",
        "Pas intéressé. Plus de mails svp.",
    ],
)
def test_a_request_that_looks_like_an_ordinary_word_is_held(own: str) -> None:
    assert verdict(own) == "held"


@pytest.mark.parametrize(
    "own",
    [
        "Wir widersprechen diesen Daten.",
        "これ以上資料を送らないでください",
        "Nie życzę sobie więcej",
    ],
)
def test_a_phrase_with_words_that_no_list_has_is_never_sure(own: str) -> None:
    """What it asks for is in those words."""
    assert verdict(own) == "held"


@pytest.mark.parametrize(
    "below",
    [
        "Jo Miller\n\nUnsubscribe",
        "Powered by Mixmax. Unsubscribe.",
        "Jo Miller\nHead of Sales, Acme\n(Unsubscribe)",
        "Marie Dupont\nDirectrice générale\n+33 1 23 45\n\nSe désinscrire",
        "Don't want to hear from us? Opt out.",
        "Jo\n\nCancella iscrizione",
    ],
)
def test_a_link_below_a_persons_own_signature_is_no_opt_out(below: str) -> None:
    """A program or a company put it there."""
    assert verdict(f"Yes, Thursday.\n\n{below}") == "reply"


@pytest.mark.parametrize(
    "own",
    [
        "We have one already.\n\nNo thanks\n\nUnsubscribe",
        "Not Interested\n\nUnsubscribe",
        "Kein Interesse\n\nAbmelden",
        "Hallo Frau Byron,\n\nKein Bedarf\n\nAbmelden",
        "Hi Ada,\n\nJo Miller\n\nUnsubscribe",
        "This is the third mail.\nUnsubscribe",
        "Not for us.\n\nJo Miller\n\nPlease unsubscribe",
    ],
)
def test_an_opt_out_at_the_end_is_held_where_no_signature_is_above(own: str) -> None:
    """Or where it is said with a `please`, which no link has."""
    assert verdict(own) == "held"


@pytest.mark.parametrize(
    "own",
    [
        "Do you have opt-out, unsubscribe, and bounce handling?",
        "Funktionen: anmelden, abmelden, exportieren. Geht das?",
        "We need import, unsubscribe, and reports.",
        "- import\n- unsubscribe\n- reports",
        "1. import\n2. reports\n3. opt out",
    ],
)
def test_a_verb_in_a_list_of_what_a_program_can_do_is_a_reply(own: str) -> None:
    assert verdict(own) == "reply"


@pytest.mark.parametrize(
    "own",
    [
        "Not interested, unsubscribe, thanks",
        "No, unsubscribe, we have a supplier",
        "Dear Ada: no, unsubscribe, please",
        "- Not interested\n- unsubscribe",
    ],
)
def test_an_opt_out_between_other_words_is_no_item_of_a_list(own: str) -> None:
    assert verdict(own) == "held"


@pytest.mark.parametrize(
    "own",
    [
        "No more mails please\n\nJo Miller\nCall me tomorrow",
        "Do not email me\n\nJo Miller\nI prefer the phone",
        "Stop\n\nworks with gmail? please send prices",
        "Stop\n\nYes, thanks\nSend the contract",
        "Stop\n\nJo Miller\nSend 3 samples",
        "Stop\n\nuse my gmail from now on\nJo",
    ],
)
def test_a_sentence_below_a_name_is_no_signature(own: str) -> None:
    """It is held: who says more may mean something else."""
    assert verdict(own) == "held"


@pytest.mark.parametrize(
    "below",
    ["Cordialement,\nMarie\nDirectrice générale", "MA Design", "Jo Miller\nIT Manager", "Jo\nvon GMX gesendet"],
)  # fmt: skip
def test_a_role_a_company_or_a_programs_last_line_is_a_signature(below: str) -> None:
    assert verdict(f"Stop\n\n{below}") == "unsubscribe"
