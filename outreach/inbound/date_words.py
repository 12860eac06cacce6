"""Names of months and weekdays, in lower case, in eleven languages."""

MONTHS = {
    1: "january januar janvier enero gennaio janeiro januari stycznia styczeń января январь jan jän jänner janv ene gen",
    2: "february februar février fevrier febrero febbraio fevereiro februari lutego luty февраля февраль feb febr févr fév fev",
    3: "march märz mars marzo março maart marca marzec марта март mar mär mrz mrt",
    4: "april avril abril aprile kwietnia kwiecień апреля апрель apr avr abr",
    5: "may mai mayo maggio maio mei maj maja мая май mag",
    6: "june juni juin junio giugno junho czerwca czerwiec июня июнь jun giu",
    7: "july juli juillet julio luglio julho lipca lipiec июля июль jul juil lug",
    8: "august août aout agosto augustus augusti sierpnia sierpień августа август aug ago",
    9: "september septembre septiembre settembre setembro września wrzesień сентября сентябрь sep sept set",
    10: "october oktober octobre octubre ottobre outubro października październik октября октябрь oct okt ott out",
    11: "november novembre noviembre novembro listopada listopad ноября ноябрь nov",
    12: "december dezember décembre decembre diciembre dicembre dezembro grudnia grudzień декабря декабрь dec dez déc dic gru",
}
"""By number; with their short forms."""

WEEKDAYS = (
    "monday montag lundi lunes lunedì lunedi segunda-feira maandag måndag poniedziałek poniedziałku понедельник понедельника mandag",
    "tuesday dienstag mardi martes martedì martedi terça-feira dinsdag tisdag wtorek wtorku вторник вторника tirsdag",
    "wednesday mittwoch mercredi miércoles miercoles mercoledì mercoledi quarta-feira woensdag onsdag środę środa środy среду среда среды",
    "thursday donnerstag jeudi jueves giovedì giovedi quinta-feira donderdag torsdag czwartek czwartku четверг четверга",
    "friday freitag vendredi viernes venerdì venerdi sexta-feira vrijdag fredag piątek piątku пятницу пятница пятницы",
    "saturday samstag sonnabend samedi sábado sabado sabato zaterdag lördag sobotę sobota soboty субботу суббота субботы lørdag",
    "sunday sonntag dimanche domingo domenica zondag söndag niedzielę niedziela niedzieli воскресенье воскресенья søndag",
)
"""From Monday on; in the case that follows “until”, too."""

TOMORROW = "tomorrow morgen demain mañana domani amanhã imorgon jutro завтра"
