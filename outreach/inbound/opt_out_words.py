"""Opt-outs by language, as patterns on text in lower case without punctuation."""

POLITE = (
    "please", "pls", "plz", "kindly", "thanks", "thank you", "thx", "asap", "immediately", "now",
    "hi", "hello", "hey", "dear", "team", "sir", "madam", "all",
    "bitte", "danke", "vielen dank", "sofort", "umgehend", "hallo", "guten tag",
    "merci de", "merci", "svp", "s il vous plaît", "s il vous plait", "veuillez", "bonjour",
    "gracias", "favor", "por favor", "hola", "buenos días", "grazie", "per favore", "per cortesia", "ciao",
    "buongiorno", "salve", "já", "urgentemente", "imediatamente", "obrigado", "obrigada", "olá", "bom dia", "alstublieft", "aub", "svp",
    "gelieve", "graag", "bedankt", "dank", "dank u", "tack", "vänligen", "snälla", "hej", "vennligst", "takk",
    "venligst", "tak", "proszę", "prosze", "dziękuję", "dzień dobry", "пожалуйста", "спасибо",
    "здравствуйте", "добрый день", "请", "請", "谢谢", "謝謝", "您好", "你好", "お願いします", "お願いいたします",
    "お願い致します", "ください", "下さい",
)  # fmt: skip
"""Words that make an opt-out polite."""

# Verbs as a request has them: imperative, infinitive, subjunctive. Whoever says that nothing came
# has the past ("No me enviaron nada."), and is interested.
_FR_WRITE = (
    r"(?:(?:contact|sollicit)(?:er?|es|ez|ée?s?)|[ée]cri(?:s|re|ve[rz]|vés?)"
    r"|envo(?:i|ies?|yer|yez|yés?))"
)
_ES_WRITE = (
    r"(?:(?:enví|envi|contact|mand)(?:e[ns]?|[ée]i?s)|escrib(?:a[ns]?|[áa]i?s|id)"
    r"|(?:envi|contact|mand)(?:ad|ar(?:me|nos)?)|escribir(?:me|nos)?)"
)
_IT_WRITE = r"(?:scriv(?:ete|ere?|a|ano|i)|(?:contatt|mand)(?:ate|are?|i(?:no)?)|invi(?:ate|are?|i|ino)?)(?:mi|ci)?"
_PT_WRITE = r"(?:(?:envi|contact|contat|mand)(?:a|ar|e|em|es)|escrev(?:a|am|as|e|er))"
_JA_SEND = r"送(?:ら|信し)ないで"

WHOLE = (
    # English
    r"stop(?: (?:it|this|now|all|(?:e ?mail|mail|contact|writ|send|messag|spamm)ing|to|me|us|any"
    r"|more|any ?more|again|these|your|such|e ?mails?|messages?|mails?|spam|this address))*(?<!stop to)",
    r"un ?sub(?:scribe|scribed|scription)?(?: (?:me|us|from|this|your|the|all|my|our|mailing|e ?mails?"
    r"|mails?|list|lists|newsletter|address|future|further|communications?))*",
    r"(?:i (?:want|would like|d like|wish) to )?(?:opt(?: me| us)? out|be (?:removed|unsubscribed)"
    r"|un ?subscribe)(?: (?:from|of|this|your|the|all|my|mailing|e ?mails?|mails?|list|lists"
    r"|communications?))*",
    r"(?:remove|delete)(?: (?:me|us|my|our|this|address|e ?mail|name|data|contact|details|from|off|of"
    r"|your|the|mailing|list|lists|database|distribution|records|mailings|e ?mails))*",
    r"take (?:me|us|my (?:address|e ?mail|name)) (?:off|out)(?: (?:of|from|your|this|the|mailing"
    r"|e ?mail|list|lists|database))*",
    r"(?:do not|don t|dont|never) (?:contact|e ?mail|mail|write|send|message)(?: (?:to|me|us|any|more"
    r"|any ?more|again|these|such|your|e ?mails?|mails?|messages?|ever|further))*",
    r"no (?:more|further) (?:e ?mails?|mails?|messages?)(?: (?:from|you|to|me|us))*",
    r"i (?:do not|don t|no longer) (?:want|wish)(?: to)? (?:receive|get)?(?: (?:any|more|these|your"
    r"|such|e ?mails?|mails?|messages?|from|you|further|any ?more))*",
    # German
    r"stopp?",
    r"(?:ich möchte mich |möchte mich |mich )?(?:vom (?:newsletter|verteiler) )?(?:abmelden|abmeldung"
    r"|abbestellen|austragen|abbestellung|austragung)(?: (?:vom|von|aus|dem|der|ihrem|verteiler"
    r"|newsletter|liste))*",
    r"(?:newsletter|mails?|e ?mails?) abbestellen",
    r"keine (?:weiteren |mehr )?(?:e ?)?(?:mails?|nachrichten|werbung)(?: (?:mehr|an mich|an uns|senden"
    r"|schicken|zusenden|von ihnen))*",
    r"(?:nehmen|tragen|streichen|löschen|entfernen|melden) sie (?:mich|uns|meine (?:e ?mail )?adresse"
    r"|meine daten)(?: (?:aus|von|vom|der|dem|ihrem|ihrer|verteiler|liste|mailingliste|e ?mail|raus"
    r"|heraus|ab|newsletter|datenbank))*",
    r"(?:mich|meine (?:e ?mail )?adresse|meine daten)(?: (?:aus|von|vom|der|dem|ihrem|ihrer|verteiler"
    r"|liste|mailingliste))* (?:löschen|entfernen|austragen|streichen|abmelden|nehmen)",
    r"(?:schreiben|mailen|kontaktieren) sie (?:mir|mich|uns) nicht mehr(?: an)?",
    r"(?:mich |uns |mir )?nicht mehr (?:kontaktieren|anschreiben|anmailen|mailen|schreiben|belästigen)",
    r"ich (?:möchte|will|wünsche) keine (?:weiteren )?(?:e ?)?(?:mails?|nachrichten|werbung)(?: (?:mehr"
    r"|von ihnen|erhalten|bekommen))*",
    # French
    r"(?:me )?d[ée](?:sinscri(?:re|s|t|te|vez|ez|ption)|sabonn(?:er?|es|ez|ée?|ement))(?: (?:moi|me|de|votre|la|cette"
    r"|liste|newsletter|vos|mails|e|envois))*",
    r"(?:me )?(?:retir|supprim|enlev|enlèv|ray)(?:e|er|ez|és)(?: (?:moi|mon|adresse|e ?mail|mail|de|votre|la|vos"
    r"|cette|liste|listes|fichiers?|base|diffusion))+",
    rf"ne (?:(?:me|m|nous) {_FR_WRITE} plus|plus (?:me|m|nous) {_FR_WRITE})(?: (?:de|vos|ces|d|e ?mails?"
    r"|mails?|messages?))*",
    r"(?:plus de|arrêtez les|stop aux) (?:e ?)?mails?",
    # Spanish
    r"(?:(?:quiero|deseo|solicito|solicitar) )?(?:la )?(?:dar(?:me)?|den?me|dadme|dame)? ?(?:de )?baja"
    r"(?: (?:de|del|su|la|esta|vuestra|tu|lista|boletín|newsletter|suscripción|correo|correos))*",
    r"(?:cancelar|anular)(?: (?:la|mi|suscripción|subscripción|envíos?))*",
    r"desuscr[ií](?:b(?:ir|e|an?|id)(?:me|nos|se|te)?|pción|pcion)(?: me)?",
    r"eliminaci[oó]n(?: (?:de|mi|correo|e ?mail|dirección|su|la|esta|vuestra|tu|lista|listas|base|datos))+",
    r"(?:(?:elim[ií]n|b[oó]rr|qu[ií]t)(?:[aá]|ad|ar|en?)|s[aá](?:c(?:[aá]|ad|ar)|quen?)|remu[eé]v(?:an?|e)|remover)"
    r"(?:me|nos)?(?: (?:me|mi|correo|e ?mail"
    r"|dirección|de|su|la|esta|vuestra|tu|lista|listas|base|datos))+",
    rf"no (?:me |nos )?{_ES_WRITE}(?: (?:me|más|mas|correos?|e ?mails?|mensajes?"
    r"|nada|a|esta|dirección))*",
    r"no más (?:correos|e ?mails?|mensajes)",
    # Italian
    r"(?:mi )?(?:disiscri(?:v(?:i|a|ano|o|ete|ere?)(?:mi|ci)?|zione)|cancella(?:temi|teci|mi|rmi|zione|re)?|cancelli"
    r"|rimuov(?:i|a|ano|ete|ere?)(?:mi|ci)?|togli(?:ete|ere?)?(?:mi|ci)?|tolga(?:no)?(?:mi|ci)?)"
    r"(?: (?:mi|il|mio|indirizzo|e ?mail|da|dalla|dal|dai|questa|vostra|tua|lista|elenco|iscrizione))*",
    r"annulla(?:re)?(?: (?:l|la|mia|iscrizione))*",
    rf"non (?:mi |ci )?{_IT_WRITE} più(?: (?:e ?mail|mail|messaggi|nulla))*",
    r"basta(?: (?:e ?)?mails?)?",
    # Portuguese
    r"(?:parar|pare|parem|sair|sair da lista)",
    r"(?:me )?(?:descadastr(?:ar?|em?|o|amento)|desinscrev(?:a|am|er?)|desinscri[cç](?:ão|ao)|remov(?:a|am|e|er)|exclu(?:a|am|i|ir)|retir(?:a|e|em|ar))(?: (?:me|meu|o|e ?mail|endereço"
    r"|da|desta|dessa|sua|vossa|de|lista|listas|cadastro))*",
    r"tir(?:a|e|em|ar)(?: (?:me|meu|o|e ?mail|endereço|da|desta|dessa|sua|vossa|de|lista|listas|cadastro))+",
    r"(?:cancelar|anular)(?: (?:a|minha|inscrição|subscrição|assinatura))*",
    rf"não (?:me )?{_PT_WRITE}(?: me)? mais(?: (?:e ?mails?|mensagens|nada))*",
    # Dutch
    r"(?:mij |me )?(?:afmelden|uitschrijven|afmelding|uitschrijving)(?: (?:voor|van|uit|de|deze|uw"
    r"|nieuwsbrief|lijst|mailinglijst))*",
    r"(?:schrijf|meld) (?:mij|me|ons) (?:uit|af)(?: (?:voor|van|uit|de|deze|uw|nieuwsbrief|lijst))*",
    r"(?:verwijder|haal)(?: (?:mij|me|ons|mijn|adres|e ?mailadres|gegevens|uit|van|de|deze|uw|jullie"
    r"|lijst|mailinglijst|bestand|af))*",
    r"geen (?:e ?)?mails? meer(?: (?:sturen|ontvangen))*",
    r"niet meer (?:mailen|sturen|contacteren)",
    # Swedish, Danish, Norwegian
    r"(?:sluta|av(?:registrer|prenumerer)(?:a|as|e|es|ing)?|avmeld(?:a|e|es|ing|else)?|avanmäl(?:a|an|as|ning)?|avsluta|afmeld(?:e|es|ing|else)?|slut)(?: (?:mig|meg"
    r"|mejla|maila|skicka|kontakta|prenumeration\w*|fra|från|av|mejl|mail|e post|listan|listen))*",
    r"(?:ta bort|fjern|slett|slet|meld) (?:mig|meg|oss|min \w+)(?: (?:från|fra|av|er|era|jeres|deres|din"
    r"|listan?|listen|lista|utskick|e ?postlista|mailliste))*",
    r"inga (?:fler|mer) (?:mejl|mail|e post)",
    # Polish
    r"(?:rezygnuję|rezygnacja|wypis(?:uję|uje|uj|ujcie|ać|ac|anie|z|zcie)?|usu(?:ń|n)(?:cie|ąć|ąc|ac|ięcie|iecie)?)"
    r"(?: (?:mnie|się|z|tej|listy|bazy|mój|adres"
    r"|mojego|adresu|mailingowej|mailingu|newslettera|subskrypcji|danych|państwa))*",
    r"(?:o )?(?:usunięcie|wypisanie)(?: (?:mnie|z|mojego|moich|adresu|listy|bazy|danych|mailingowej|państwa))*",
    r"(?:usunięcia|wypisania)(?: (?:mnie|z|mojego|moich|adresu|listy|bazy|danych|mailingowej|państwa))+",
    r"mnie (?:usunąć|wypisać|skreślić)(?: (?:z|tej|listy|bazy|mailingowej|państwa))*",
    r"nie (?:pisz|piszcie|pisać|wysyłaj|wysyłajcie|wysyłać)(?: (?:do|mnie|mi|już|więcej|maili|e ?maili"
    r"|wiadomości))*",
    r"nie (?:kontaktuj|kontaktujcie|kontaktować) się(?: (?:ze|mną|z|nami|już|więcej))*",
    # Russian
    r"стоп",
    r"(?:отпи(?:сат(?:ься|ся|ь)|ска|сываюсь|сывайте|ши(?:сь)?|ш[иы]те(?:сь)?)|отказ|отказаться|удали(?:те|ть)?|уберите|исключите|вычеркните)(?: (?:меня|нас"
    r"|мой|наш|адрес|из|от|с|вашей|этой|рассылки|списка|базы|данных|почту|e ?mail))*",
    r"(?:больше )?не (?:пишите|присылайте|шлите|отправляйте|беспокойте)(?: (?:мне|нам|меня|больше|писем"
    r"|письма|ничего))*",
    r"прекратит[еь](?: (?:рассылку|присылать|писать|мне|письма))*",
    # Japanese, Chinese, Korean
    r"(?:メール)?(?:の)?(?:配信|送信)(?:を)?(?:停止|解除)(?:して|を|希望|希望します)?",
    rf"(?:今後|もう)?(?:は)?(?:メール)(?:を|は)?{_JA_SEND}",
    r"(?:登録|購読)(?:を)?解除(?:して|希望|希望します)?",
    r"(?:停止|解除|退会|ストップ)(?:希望|して)?",
    r"(?:我要)?(?:退订|退訂|取消订阅|取消訂閱|停止|td)(?:邮件|郵件)?",
    r"不要再(?:给我|給我)?(?:发|發|发送)(?:邮件|郵件)?(?:了)?",
    r"수신 ?거부",
)  # fmt: skip
"""Of a text that is nothing else."""

ORDINARY = (
    r"stopp?(?: (?:it|this|now|there|to|any|more|these|such))*",
    r"(?:remove|delete)(?: (?!me\b|us\b|my\b|our\b|your\b)\w+)*",
    r"(?:do not|don t|dont|never|nie|не) (?:e ?)?\w+",
    r"no (?!more\b|further\b|más\b)(?:\w+)(?: nada)?",
    r"i (?:do not|don t|no longer) (?:want|wish)(?: (?:to|any|more|such|these|further))*",
    r"(?:la |de )?baja|(?:cancelar|anular)(?: (?:la|a|mi|minha))?|desuscripci[oó]n",
    r"basta|annulla(?:re)?|cancella(?:re|zione)?|cancelli|rimuov(?:i|a|ano|ete|ere)|togli(?:ete|ere)?|tolga(?:no)?",
    r"abmeldung|abbestellung|austragung|un ?subscription|d[ée]sinscription|d[ée]sabonnement|disiscrizione"
    r"|descadastramento|afmelding|afmeldelse|uitschrijving|av(?:registrer|prenumerer|meld)ing|avmeldelse|avanmälan|wypisanie"
    r"|descadastro|desinscri[cç](?:ão|ao)",
    r"parar|parem?|sair|remov(?:a|am|er)|exclu(?:a|am|i|ir)|retir(?:a|em?|ar)",
    r"verwijder|haal|sluta?|avsluta",
    r"rezygnuję|rezygnacja|wypis|usu(?:ń|n|ńcie|ncie|nąć|nac)|(?:o )?usunięcie",
    r"стоп|отказ|отказаться|удали(?:те|ть)?|уберите|исключите|вычеркните|отписка",
    r"停止(?:して|希望)?|解除(?:して|希望)?|(?:登録|購読)(?:を)?解除|退会|ストップ|td",
)  # fmt: skip
"""Of `WHOLE`, what is an ordinary word, too: an opt-out only where nothing else is said."""

ORDINARY_UNLESS_POLITE = (
    r"plus de (?:e ?)?mails?",
    r"keine (?:werbung|nachrichten)",
    r"meld (?:mig|meg)",
    r"wypisz",
    r"stop (?:me|us)",
)
"""The same of what is a request where it is said with a `please`."""

PERHAPS = (
    r"no (?:me |nos )?(?:enví|envi|escrib|contact|mand)"
    r"(?!\w*(?:[éóí]|aste(?:is)?|iste(?:is)?|[aái]mos|[ai]d[oa]s?|(?:ar|er)on|aba\w*|ía\w*)\b)\w*"
    r"(?: (?:me|más|mas|correos?|e ?mails?|mensajes?|nada|a|esta|dirección))*",
    r"(?:desuscri|desinscri)(?!\w*(?:[éóí]|iste|ieron|u)\b)\w+(?: me)?",
    r"(?:elimin|b[oó]rr|qu[ií]t|s[aá]c|s[aá]qu|remu[eé]v)(?!\w*(?:[éóí]|aste|amos|(?:ar|er)on|aba\w*)\b)\w*"
    r"(?: (?:me|mi|correo|e ?mail|dirección|de|su|la|esta|vuestra|tu|lista|listas|base|datos))+",
    r"(?:me )?d[ée]s(?:inscri|abonn)(?!\w*(?:ai[st]|aient|a|èrent|irent)\b)\w*"
    r"(?: (?:moi|me|de|votre|la|cette|liste|newsletter|vos|mails|e|envois))*",
    r"ne (?:me|m|nous) (?:contact|sollicit|écri|ecri|envoy|envoi)(?!\w*(?:ai[st]|aient|a|èrent|irent)\b)\w*"
    r" plus(?: (?:de|vos|ces|d|e ?mails?|mails?|messages?))*",
    r"(?:mi )?(?:disiscri|rimuov)(?!\w*(?:iamo|ss[eio]\w*|[aei]v[aio]\w*|t[oaie])\b)\w+"
    r"(?: (?:mi|il|mio|indirizzo|e ?mail|da|dalla|dal|dai|questa|vostra|tua|lista|elenco|iscrizione))*",
    r"non (?:mi |ci )?(?:scriv|contatt|invi|mand)(?!\w*(?:iamo|ss[eio]\w*|[aei]v[aio]\w*|ò|arono|erono|at[oaie])\b)\w+"
    r" più(?: (?:e ?mail|mail|messaggi|nulla))*",
    r"(?:me )?(?:descadastr|desinscrev)(?!\w*(?:ou|eu|ei|i|aram|eram|ava\w*|ia\w*|ad[oa])\b)\w+"
    r"(?: (?:me|meu|o|e ?mail|endereço|da|desta|dessa|sua|vossa|de|lista|listas|cadastro))*",
    r"não (?:me )?(?:envi|escrev|contact|contat|mand)(?!\w*(?:ou|eu|ei|aram|eram|ava\w*|ia\w*)\b)\w+"
    r" mais(?: (?:e ?mails?|mensagens|nada))*",
    r"(?:avregistrer|avprenumerer|avanmäl|afmeld|avmeld)(?!\w*(?:de|te|t)\b)\w*"
    r"(?: (?:mig|meg|prenumeration\w*|fra|från|av|mejl|mail|e post|listan|listen))*",
    r"(?:wypis|usuń|usun|usuw)(?!\w*(?:[aąę][łl]\w*|[aą]?no|ęto)\b)\w*"
    r"(?: (?:mnie|się|z|tej|listy|bazy|mój|adres|mojego|adresu|mailingowej|newslettera|danych|państwa))*",
    r"(?:отпис|отпиш|удалит|удаля)(?!\w*л(?:а|и|о)?(?:сь|ся)?\b)\w+"
    r"(?: (?:меня|нас|мой|наш|адрес|из|от|с|вашей|этой|рассылки|списка|базы|данных|почту|e ?mail))*",
)
"""Any other form of those verbs, as people misspell them, but for the past: perhaps an opt-out
where nothing else is said.
"""

LINKS = (
    r"(?:click here to )?un ?subscribe(?: here)?|opt ?out",
    r"abmelden|abbestellen|austragen|(?:vom )?newsletter (?:abmelden|abbestellen)",
    r"(?:se )?d[ée]s(?:inscrire|inscription|abonner|abonnement)",
    r"dar(?:se|me)? de baja|cancelar (?:la )?suscripci[oó]n|desuscribirse",
    r"(?:cancella(?:re|ti)?|annulla)(?: l)? iscrizione|disiscri(?:viti|versi|zione)",
    r"cancelar (?:a )?(?:inscrição|subscrição|assinatura)|descadastrar(?: se)?",
    r"uitschrijven|afmelden",
    r"avregistrera|avprenumerera|avsluta prenumeration|afmeld|avmeld",
    r"wypisz się|rezygnacja|отписаться|отписка|配信停止|退订|退訂|取消订阅",
)
"""A bare verb or noun, as a link below a mail has it, or a list of what a program can do."""

ABOVE_LINKS = (
    r"powered by(?: \w+){1,4}",
    r"sent (?:with|by|via|using|from)(?: \w+){1,4}",
    r"(?:don t|do not|no longer) want to hear from us",
)
"""What stands before such a link on its line."""

PHRASES = (
    # English
    r"un ?subscribe (?:me|us|my)\b",
    r"(?:remove|take|delete) (?:me|us|my (?:e ?mail|address|name|data)|our (?:e ?mail|address))(?: \w+)?"
    r" (?:from|off|out of) (?:(?:your|this|the|all) )?(?:\w+ ){0,2}(?:lists?|database|mailings?|records|e ?mails)\b",
    r"\bremove me\b(?! as (?:an? )?(?:admin|owner|user|member|organi[sz]er)\b)",
    r"\btake (?:me|us) off (?:your|this|the) (?:\w+ )?list",
    r"\bdelete (?:all )?my (?:personal )?data\b",
    r"\bstop (?:e ?mail|contact|writ|spamm|messag)ing (?:me|us)\b",
    r"\bstop sending (?:me|us)\b",
    r"\b(?:do not|don t|dont|never) (?:contact|e ?mail|mail|write|message)(?: to)? (?:me|us) (?:again|any ?more"
    r"|ever again|any further|in (?:the )?future)",
    r"\b(?:want|like|wish) to (?:unsubscribe|opt out|be removed|be unsubscribed)\b",
    r"\b(?:no longer|don t|do not) (?:want|wish) to (?:receive|get|be contacted)\b",
    r"\bno (?:more|further) (?:e ?mails|mails|messages) (?:from you|please)\b",
    # German
    r"\b(?:nehmen|tragen|streichen|entfernen|löschen) sie (?:bitte )?(?:mich|uns|meine (?:e ?mail )?adresse"
    r"|meine daten)",
    r"\bnehmt (?:mich|uns) aus\b",
    r"\baus (?:dem|ihrem|eurem|ihrer|der) (?:\w+ )?(?:verteiler|mailingliste)\b",
    r"\bkeine (?:weiteren )?(?:e ?)?mails? mehr\b",
    r"\bkeine weiteren (?:e ?)?(?:mails?|nachrichten)\b",
    r"\b(?:kontaktieren|schreiben|mailen|belästigen) sie (?:mich|mir|uns) (?:bitte )?nicht (?:mehr|weiter)",
    r"\b(?:mich|uns|mir) (?:\w+ )?nicht mehr (?:zu )?(?:kontaktieren|anzuschreiben|anschreiben|schreiben|belästigen)",
    # French
    r"\b(?:(?:retir|enlev|enlèv|supprim|ray|désabonn)(?:e|ez)|désinscri(?:s|vez)) (?:moi|nous)\b",
    r"\bme (?:retirer|supprimer|enlever|désinscrire|désabonner|rayer) de\b",
    rf"\bne (?:(?:me|m|nous) {_FR_WRITE} plus|plus (?:me|m|nous) {_FR_WRITE})\b",
    r"\bne (?:souhaite|veux|désire) plus (?:recevoir|être contacté)",
    # Spanish
    r"\b(?:darme|denme|dadme|dame|deme|me den?|me dé) de baja\b",
    r"\bde baja de (?:su|la|esta|vuestra|tu) (?:\w+ )?lista",
    r"\b(?:elimin|bórr|borr|quít|quit|sáqu|saqu)\w*me de (?:su|la|esta|vuestra|tu)\b",
    rf"\bno (?:me |nos )?{_ES_WRITE} más\b",
    r"\bno (?:me|nos) (?:vuelvan?|vuelvas|volváis) a (?:enviar|mandar|escribir|contactar|molestar)",
    r"\bno (?:deseo|quiero) recibir (?:más|sus|estos)\b",
    r"\bdejen? de (?:escribir|enviar|contactar|mandar)",
    # Italian
    r"\b(?:cancell|rimuov|togli|elimin|disiscriv)\w*mi (?:da|dalla|dal|dai)\b",
    rf"\bnon (?:mi |ci )?{_IT_WRITE} più\b",
    r"\bnon (?:desidero|voglio|vorrei) (?:più )?ricevere\b",
    # Portuguese
    r"\b(?:remov(?:a|am|er)|retir(?:em|ar?)|exclu(?:a|am|i|ir)|tir(?:em|ar?)|descadastr(?:em?|ar?)) me\b",
    r"\b(?:remove|retire|tire) me d[aeo]",
    r"\bme (?:remova|remove|retire|exclua|tire|descadastre) d",
    rf"\bnão (?:me )?{_PT_WRITE}(?: me)? mais\b",
    r"\bnão (?:desejo|quero|pretendo) (?:mais )?receber\b",
    r"\bparem? de (?:me )?(?:enviar|escrever|contactar|mandar)",
    # Dutch
    r"\b(?:schrijf|meld) (?:mij|me|ons) (?:\w+ )?(?:uit|af)\b",
    r"\b(?:verwijder|haal) (?:mij|me|ons|mijn \w+) (?:uit|van|af)\b",
    r"\b(?:mail|contacteer|benader|schrijf) (?:mij|me|ons) niet (?:meer|langer)",
    r"\bgeen (?:e ?)?mails? meer\b",
    r"\b(?:mij|me|ons|mijn \w+) (?:\w+ )?uit te schrijven\b",
    r"\bstop met (?:e ?)?(?:mailen|sturen|schrijven)\b",
    # Swedish, Danish, Norwegian
    r"\bta bort (?:mig|oss) från\b",
    r"\b(?:sluta|slut med at|slutt å) (?:mejla|maila|skicka|kontakta|sende|skrive)",
    r"\b(?:kontakta|mejla|maila) (?:mig|oss) inte (?:mer|igen|längre)",
    r"\b(?:avregistrera|afmeld|avmeld) (?:mig|meg)\b",
    r"\bfjern (?:mig|meg) fra\b",
    # Polish
    r"\b(?:usuń|usuńcie|wypisz|wypiszcie) mnie\b",
    r"\bmnie (?:usunąć|wypisać|skreślić)\b",
    r"\b(?:usunięcie|wypisanie) (?:mnie|mojego|moich danych|z (?:listy|bazy))",
    # Russian
    r"\b(?:удалите|уберите|исключите|отпишите|вычеркните) (?:меня|мой|наш|нас)\b",
    r"\bбольше не (?:пишите|присылайте|беспокойте|шлите|отправляйте)",
    # Japanese, Chinese
    r"配信(?:を)?停止",
    r"(?:リスト|登録)から(?:削除|外して)",
    r"今後(?:の)?(?:メール|連絡|ご連絡)は(?:不要|結構|お控え|ご遠慮)",
    r"退订|退訂|取消订阅|取消訂閱",
    r"不要再(?:给我|給我)?(?:发|發|联系|聯絡)",
)  # fmt: skip
"""Unmistakable also within a longer text."""

OPEN_PHRASES = (
    r"\b(?:widerspreche|wir widersprechen|widerspruch gegen)\b(?! nicht\b)(?: \w+){0,8} (?:daten|werb)",
    r"\bsmett(?:i|a|ano|ete|etela|erla|ere) di (?:scriver|inviar|contattar|mandar)",
    r"\bnie (?:pisać|wysyłać|kontaktować|piszcie|wysyłajcie|pisz|wysyłaj)(?: \w+){0,3} więcej\b",
    r"\bnie [żz]ycz[ęe] sobie (?:otrzym|kontakt|dalsz|więcej|takich|tych|maili|wiadomości|reklam|spam)",
    r"\bне (?:пишите|присылайте|беспокойте|шлите)(?: \w+){0,2} больше\b",
    r"\bпрекратите (?:присылать|рассыл|писать|отправлять)",
    rf"(?:今後|もう|メール|これ以上)\w{{0,8}}{_JA_SEND}",
)
"""The same with words between or behind that no list has: never sure, even where it is all."""

NO_SIGNATURE = frozenset({
    "i", "we", "you", "call", "send", "let", "tell", "see", "come", "keep", "write", "give", "try", "please",
    "yes", "no", "not", "ok", "okay", "but", "and", "just", "what", "when", "how", "can", "could", "would", "does", "sorry", "works",
    "ich", "wir", "sie", "rufen", "ruf", "schicken", "senden", "bitte", "ja", "nein", "kein", "keine", "nicht", "aber",
    "je", "nous", "vous", "appelez", "envoyez", "oui", "non", "pas", "mais", "yo", "llame", "llámeme", "envíe", "mande", "sí", "pero",
    "io", "chiami", "chiamami", "mandi", "sì", "ma", "eu", "ligue", "envie", "sim", "não", "mas",
    "ik", "wij", "bel", "stuur", "nee", "geen", "maar", "jag", "vi", "ring", "skicka", "inte", "ikke", "ingen", "men", "nej", "nei",
    "zadzwoń", "proszę", "wyślij", "tak", "nie", "brak", "ale", "я", "мы", "позвоните", "пришлите", "да", "нет", "не", "но",
})  # fmt: skip
"""First words of a sentence: a line that begins with one is no name, role or company."""
