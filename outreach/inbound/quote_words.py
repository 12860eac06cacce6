"""How mail programs, by language, introduce a quoted mail and end a person's own text."""

WROTE = (
    "wrote", "writes", "schrieb", "a écrit", "a ecrit", "escribió", "escribio", "ha scritto",
    "scrive", "escreveu", "schreef", "skrev", "napisał", "napisała", "napisał(a)", "пишет",
    "написал", "написала", "написав", "kirjoitti", "yazdı", "írta", "napsal", "a scris", "wrote on",
    "geschreven", "scribit", "写道", "寫道", "wrote", "のメール", "さんは書きました", "님이 작성", "作成",
)  # fmt: skip
"""Verbs of the line above a quote."""

FROM = (
    "from", "von", "de", "da", "van", "från", "fra", "od", "от", "від", "lähettäjä", "kimden",
    "feladó", "发件人", "寄件者", "差出人", "보낸 사람", "expéditeur", "afzender",
)  # fmt: skip
SENT = (
    "sent", "date", "gesendet", "datum", "envoyé", "enviado", "enviado el", "enviada em", "inviato",
    "data", "fecha", "verzonden", "skickat", "sendt", "dato", "wysłano", "отправлено", "дата",
    "надіслано", "lähetetty", "gönderme tarihi", "tarih", "elküldve", "to", "an", "à", "para", "a",
    "aan", "till", "til", "do", "кому", "vastaanottaja", "kime", "címzett", "subject", "betreff",
    "objet", "asunto", "oggetto", "assunto", "onderwerp", "ämne", "emne", "temat", "тема", "aihe",
    "konu", "tárgy", "cc", "kopie", "发送时间", "日期", "收件人", "主题", "主旨", "送信日時", "日付", "宛先", "件名",
    "보낸 날짜", "받는 사람", "제목",
)  # fmt: skip
"""Names of the fields below `From:`, where a program shows a quoted mail's header."""

DEVICES = (
    "sent from my", "sent from mail for", "sent from outlook", "sent from yahoo", "sent from samsung",
    "sent via", "sent with", "get outlook for", "yahoo mail:", "envoyé de mon", "envoyé depuis",
    "envoyé à partir de", "télécharger outlook", "obtenez outlook", "von meinem", "gesendet von",
    "gesendet mit", "gesendet mit der", "holen sie sich outlook", "outlook für", "enviado desde",
    "obtener outlook", "enviado do meu", "enviado de mi", "obter o outlook", "inviato da",
    "inviato dal mio", "scarica outlook", "ottieni outlook", "verstuurd vanaf", "verzonden vanaf",
    "verzonden met", "outlook voor", "skickat från", "hämta outlook", "sendt fra", "wysłane z",
    "wysłano z", "pobierz program outlook", "отправлено с", "отправлено из", "надіслано з",
    "lähetetty", "iphoneから送信", "ipadから送信", "androidから送信", "发自我的", "從我的", "获取 outlook", "내 iphone에서 보냄",
)  # fmt: skip
"""Beginnings of the line that a program puts below what was typed."""

PROGRAMS = (
    "iphone", "iphon", "ipad", r"\bios\b", "android", "outlook", "proton ?mail", "gmx", "samsung",
    "huawei", "xiaomi", r"\byahoo\b", r"\bgmail\b", "blackberry", "thunderbird", r"web\.de",
)  # fmt: skip
"""Names in such a line, whatever its language."""

CLOSINGS = (
    # English
    "best", "best regards", "kind regards", "kindest regards", "warm regards", "regards", "many thanks",
    "thanks", "thank you", "thanks in advance", "thank you in advance", "thanks and regards", "cheers", "sincerely", "yours sincerely",
    "yours faithfully", "all the best", "best wishes", "yours", "br", "rgds",
    # German
    "mit freundlichen grüßen", "mit freundlichen grüssen", "freundliche grüße", "freundliche grüsse",
    "mit freundlichem gruß", "viele grüße", "viele grüsse", "beste grüße", "beste grüsse", "liebe grüße",
    "herzliche grüße", "grüße", "gruß", "gruss", "mfg", "lg", "vg", "danke", "vielen dank",
    "danke im voraus", "vielen dank im voraus",
    # French
    "cordialement", "bien cordialement", "bien à vous", "salutations", "sincères salutations",
    "meilleures salutations", "merci", "merci d'avance", "bonne journée", "belle journée", "cdt", "cdlt", "amicalement",
    # Spanish
    "saludos", "un saludo", "saludos cordiales", "un cordial saludo", "atentamente", "gracias",
    "muchas gracias", "gracias de antemano",
    # Italian
    "cordiali saluti", "distinti saluti", "saluti", "un saluto", "grazie", "grazie mille",
    # Portuguese
    "atenciosamente", "cumprimentos", "melhores cumprimentos", "com os melhores cumprimentos",
    "abraços", "obrigado", "obrigada", "att",
    # Dutch
    "met vriendelijke groet", "met vriendelijke groeten", "vriendelijke groet", "vriendelijke groeten",
    "groet", "groeten", "mvg", "bedankt", "alvast bedankt", "dank",
    # Swedish, Danish, Norwegian, Finnish
    "med vänliga hälsningar", "med vänlig hälsning", "vänliga hälsningar", "hälsningar", "mvh", "tack",
    "med venlig hilsen", "venlig hilsen", "med vennlig hilsen", "hilsen", "tak", "takk",
    "ystävällisin terveisin", "terveisin", "kiitos",
    # Polish, Czech
    "pozdrawiam", "z poważaniem", "z wyrazami szacunku", "serdecznie pozdrawiam", "dziękuję",
    "dzięki", "s pozdravem", "děkuji",
    # Russian, Ukrainian
    "с уважением", "с наилучшими пожеланиями", "спасибо", "всего доброго", "з повагою", "дякую",
    # Turkish
    "saygılarımla", "teşekkürler",
    # Japanese, Chinese, Korean
    "よろしくお願いします", "よろしくお願いいたします", "宜しくお願いいたします", "以上", "敬具", "谢谢",
    "謝謝", "此致", "祝好", "敬上", "감사합니다",
)  # fmt: skip
"""Lines, in lower case and without punctuation, above a person's name."""

GREETINGS = (
    "hi", "hello", "hey", "dear", "good morning", "good afternoon", "good day", "hallo", "guten tag",
    "guten morgen", "sehr geehrte", "sehr geehrter", "liebe", "lieber", "moin", "bonjour", "bonsoir",
    "cher", "chère", "madame", "monsieur", "hola", "buenos días", "buenas tardes", "estimado",
    "estimada", "ciao", "buongiorno", "salve", "gentile", "olá", "bom dia", "boa tarde", "prezado",
    "prezada", "caro", "cara", "beste", "goedemorgen", "goedemiddag", "geachte", "hej", "god dag",
    "hei", "dzień dobry", "cześć", "witam", "szanowny", "szanowna", "здравствуйте", "добрый день",
    "привет", "уважаемый", "уважаемая", "こんにちは", "お世話になっております", "您好", "你好",
)  # fmt: skip
"""First words of the line above a text."""
