"""Names of lead columns in HubSpot, Apollo, LinkedIn, Google, Outlook, Excel.

Data, in English, German, French and Spanish. Of several columns for one field the one that comes
first here wins; accents, case, spaces and punctuation do not matter.
"""

KNOWN = ("email", "name", "role", "company", "domain", "email_subject", "email_template")
"""The fields of a lead with a column of their own."""

FIRST_NAME, LAST_NAME = "first_name", "last_name"

SPELLINGS: dict[str, str] = {
    "email": (
        "email, email address, work email, business email, primary email, contact email, "
        "e-mail 1 - value, e-mail 1, email 1, e-mail 1 address, mail, mail address, person email, "
        "e-mail-adresse, mailadresse, e-mail geschäftlich, e-mail (geschäftlich), "
        "adresse e-mail, adresse email, adresse mail, adresse de messagerie, "
        "adresse électronique, courriel, mél, "
        "correo electrónico, dirección de correo electrónico, dirección de correo, correo"
    ),
    FIRST_NAME: (
        "first name, firstname, given name, forename, contact first name, "
        "vorname, prénom, nombre de pila"
    ),
    LAST_NAME: (
        "last name, lastname, surname, family name, contact last name, "
        "nachname, familienname, zuname, nom de famille, apellidos, apellido"
    ),
    "name": (
        "name, full name, contact name, display name, lead name, person name, contact full name, "
        "vollständiger name, anzeigename, ansprechpartner, ansprechpartnerin, kontaktname, "
        "nom complet, nom et prénom, prénom et nom, nombre completo, nombre y apellidos"
    ),
    "role": (
        "role, job title, position, job role, organization title, organization 1 - title, "
        "jobtitel, berufsbezeichnung, stellenbezeichnung, funktion, rolle, "
        "poste, intitulé du poste, titre du poste, fonction, "
        "cargo, puesto, título del puesto, función, title"
    ),
    "company": (
        "company, company name, associated company, primary company, current company, "
        "account name, organization name, organization 1 - name, organization, organisation, "
        "organisation name, employer, business name, "
        "firma, firmenname, unternehmen, unternehmensname, "
        "société, entreprise, nom de l'entreprise, nom de la société, raison sociale, "
        "empresa, nombre de la empresa, nombre de empresa, compañía, razón social, organización"
    ),
    "domain": (
        "domain, company domain name, company domain, website domain, domain name, domäne, "
        "domaine, dominio, website, website url, company website, company url, website 1 - value, "
        "web page, webpage, homepage, web site, webseite, webadresse, internetseite, "
        "site web, site internet, page web, sitio web, página web"
    ),
    "email_subject": "email_subject, subject, subject line, mail subject, betreff, objet, asunto",
    "email_template": "email_template, email body, mail body, e-mail-text, mailtext",
}

PARTS_BESIDE = {
    # Beside the one, the other is not the whole name but its second half.
    "vorname": ("name", LAST_NAME),
    "prénom": ("nom", LAST_NAME),
    "apellidos": ("nombre", FIRST_NAME),
    "apellido": ("nombre", FIRST_NAME),
}
WHOLE_ALONE = ("nom", "nombre")
"""A whole name, unless the name above is also a column."""
