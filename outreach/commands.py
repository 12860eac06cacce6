"""The commands that messages name: each is spelled here alone, as a person types it.

Messages are read on a terminal, in Prefect's UI and in the web app. So all of them name the whole
command, and modules below `outreach.cli` take it from here.
"""

from uuid import UUID

Campaign = UUID | str
"""A campaign's id, or `ID` where none is known."""

UP = "`outreach up`"
WORKER = "`outreach worker`"
DOWN = "`outreach down`"
WEB = "`outreach web`"
DOCTOR = "`outreach doctor`"
MIGRATE = "`outreach db migrate`"

READ_MAILBOXES = "`outreach mailboxes read`"
LIST_MAILBOXES = "`outreach mailboxes list`"
ADD_ACCOUNT = "`outreach accounts add`"
CONNECT_ACCOUNT = "`outreach accounts connect`"
LIST_ACCOUNTS = "`outreach accounts list`"
LIST_LEADS = "`outreach leads list`"
IMPORT_LEADS = "`outreach leads import FILE.csv`"

CREATE_CAMPAIGN = "`outreach campaigns create`"
CREATE_WITH_SUBJECT_VARIABLES = "`outreach campaigns create --subject-variables`"
CREATE_WITH_FOOTER = "`outreach campaigns create --footer FILE`"
LIST_CAMPAIGNS = "`outreach campaigns list`"
RETRY_FAILED = "`outreach campaigns retry-failed`"
RETRY_SUPPRESSED = "`outreach campaigns retry-failed ID --suppressed`"
LIST_SUPPRESSIONS = "`outreach suppressions list`"


def connect_account(email: str) -> str:
    return f"`outreach accounts connect {email}`"


def wake_account(email: str) -> str:
    return f"`outreach accounts wake {email}`"


def import_leads(tag: str) -> str:
    return f"`outreach leads import FILE.csv --tag {tag}`"


def check(campaign: Campaign) -> str:
    return f"`outreach campaigns check {campaign}`"


def start(campaign: Campaign) -> str:
    return f"`outreach campaigns start {campaign}`"


def start_here(campaign: Campaign) -> str:
    """Without a worker: in the process of the command."""
    return f"`outreach campaigns start {campaign} --local`"


def pause(campaign: Campaign) -> str:
    return f"`outreach campaigns pause {campaign}`"


def resume(campaign: Campaign) -> str:
    return f"`outreach campaigns resume {campaign}`"


def retry_failed(campaign: Campaign) -> str:
    return f"`outreach campaigns retry-failed {campaign}`"


def list_replies(campaign: Campaign) -> str:
    return f"`outreach campaigns replies {campaign}`"


def list_leads(campaign: Campaign) -> str:
    return f"`outreach campaigns leads {campaign}`"
