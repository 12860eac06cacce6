"""Words of automatic answers and of absence, by language."""

AUTOMATIC_SUBJECTS = (
    # English
    "automatic reply", "automated reply", "auto reply", "auto-reply", "autoreply", "auto response",
    "auto-response", "autoresponse", "automatic response", "automated response", "auto:",
    "out of office", "out of the office", "out-of-office", "ooo:", "[ooo]", "[auto-reply]",
    "[autoreply]", "[auto reply]", "vacation reply", "vacation message", "away from the office",
    "on vacation", "on annual leave", "on leave",
    # German
    "automatische antwort", "automatische rückantwort", "automatische abwesenheit", "abwesenheit",
    "abwesend", "autom. antwort", "nicht im büro", "außer haus", "autoantwort", "eingangsbestätigung",
    # French
    "réponse automatique", "reponse automatique", "message d'absence", "absence du bureau",
    "absent du bureau", "absente du bureau", "notification d'absence", "absence :", "absence:",
    "accusé de réception",
    # Spanish
    "respuesta automática", "respuesta automatica", "fuera de la oficina", "fuera de oficina",
    "mensaje de ausencia", "ausencia:", "acuse de recibo",
    # Italian
    "risposta automatica", "fuori sede", "fuori ufficio", "assenza dall'ufficio", "assente",
    "messaggio automatico",
    # Portuguese
    "resposta automática", "resposta automatica", "fora do escritório", "fora do escritorio",
    "ausência", "mensagem automática",
    # Dutch
    "automatisch antwoord", "automatische reactie", "automatische beantwoording", "afwezig",
    "niet aanwezig", "buiten kantoor",
    # Swedish, Danish, Norwegian, Finnish
    "autosvar", "automatiskt svar", "automatisk svar", "frånvaro", "fravær", "fraværsmelding",
    "ikke på kontoret", "inte på kontoret", "automaattinen vastaus", "poissa",
    # Polish, Czech
    "odpowiedź automatyczna", "automatyczna odpowiedź", "autoodpowiedź", "poza biurem",
    "nieobecność", "automatická odpověď", "mimo kancelář",
    # Russian, Ukrainian
    "автоматический ответ", "автоответ", "отсутствие на рабочем месте", "автоматична відповідь",
    # Turkish, Hungarian, Romanian
    "otomatik yanıt", "ofis dışında", "automatikus válasz", "răspuns automat",
    # Japanese, Chinese, Korean
    "自動返信", "自動応答", "不在", "自动回复", "自動回覆", "自动答复", "자동 회신", "부재중",
)  # fmt: skip
"""Beginnings of a subject, in lower case, that mail programs give an automatic answer."""

ABSENCE = (
    # English
    "out of office", "out of the office", "out-of-office", "away from the office", "away from my",
    "on vacation", "on holiday", "on my holiday", "on leave", "annual leave", "maternity leave",
    "paternity leave", "parental leave", "sick leave", "on a business trip", "traveling", "travelling",
    "i am away", "i'm away", "i’m away", "currently away", "be away", "am currently out",
    "i am out", "i'm out", "be out", "not in the office", "back in the office", "be back", "my return",
    "i return", "will return", "returning on", "back on", "am back", "office is closed", "on pto",
    # German
    "nicht im büro", "nicht im hause", "außer haus", "ausser haus", "abwesend", "abwesenheit",
    "im urlaub", "elternzeit", "mutterschutz", "dienstreise", "wieder erreichbar", "wieder zurück",
    "bin zurück", "zurück am", "zurück im", "betriebsferien",
    "nicht erreichbar", "wieder für sie", "wieder im büro",
    # French
    "absent", "mon absence", "absence du", "d'absence", "en congé", "en vacances", "de retour", "en déplacement",
    # Spanish
    "fuera de la oficina", "fuera de oficina", "de vacaciones", "ausente", "de permiso", "de viaje",
    "mi regreso", "estaré de vuelta", "de vuelta",
    # Italian
    "fuori ufficio", "fuori sede", "in ferie", "in vacanza", "assente", "rientro", "rientrerò",
    "sarò di ritorno", "tornerò",
    # Portuguese
    "fora do escritório", "de férias", "em férias", "ausente", "de licença", "regresso", "meu retorno", "retorno em", "retorno dia", "retorno no",
    "estarei de volta",
    # Dutch
    "afwezig", "met vakantie", "op vakantie", "met verlof", "niet aanwezig", "niet op kantoor",
    "buiten kantoor", "weer aanwezig", "weer bereikbaar", "ben terug", "terug op",
    # Swedish, Danish, Norwegian, Finnish
    "inte på kontoret", "semester", "frånvarande", "föräldraledig", "tjänsteresa", "åter den",
    "åter på", "åter i", "tillbaka den", "tillbaka på", "tillbaka i",
    "ikke på kontoret", "på ferie", "fraværende", "tilbage den", "tilbage på", "tilbage i", "tilbake den", "tilbake på", "tilbake i", "lomalla", "poissa",
    # Polish, Czech
    "poza biurem", "na urlopie", "nieobecn", "urlop", "wracam", "wrócę", "nejsem v kanceláři",
    "dovolené",
    # Russian, Ukrainian
    "в отпуске", "отсутств", "вернусь", "в командировке", "буду доступ", "у відпустці",
    # Turkish
    "izinde", "ofis dışında", "tatilde",
    # Japanese, Chinese, Korean
    "不在", "休暇", "休業", "出張", "休假", "外出", "出差", "度假", "부재", "휴가",
)  # fmt: skip
"""Words, in lower case, of a person who is away."""
