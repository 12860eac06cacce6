"""All settings. Read from the environment and `.env`; each one is in `.env.example`."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from outreach.errors import ConfigurationError
from outreach.urls import servers, split, web_address

WebAddress = Annotated[str, AfterValidator(web_address)]
DAY = 86_400.0
"""Seconds: the longest wait; a clock can hold it."""

GMAIL_API = "https://gmail.googleapis.com"
GOOGLE_AUTH = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret


def _file_or_address(source: str) -> str:
    if "://" in source and (not source.startswith("https://") or split(source) is None):
        raise ValueError("it is neither a path nor an address that begins with https://")
    return source


def _networks(text: str) -> str:
    try:
        for one in filter(None, map(str.strip, text.split(","))):
            ip_network(one, strict=False)
    except ValueError:
        raise ValueError("addresses or networks are needed, as in 10.0.0.1, 10.1.0.0/16") from None
    return text


def _servers(text: str) -> str:
    try:
        servers(text)
    except ValueError:
        raise ValueError("IP addresses are needed, as in 10.0.0.1, [::1]:5353") from None
    return text


class Settings(BaseSettings):
    """Settings of this process; times are in seconds.

    With keyword arguments alone (`Settings.only(...)`) it reads nothing from outside. The text
    below a field is its description in docs/reference.md and in .env.example.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        allow_inf_nan=False,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    supabase_url: WebAddress | None = Field(
        default=None,
        validation_alias=AliasChoices("SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL"),
    )
    """The project's address, such as https://PROJECT.supabase.co. Supabase wins when DATABASE_URL
    is set as well."""
    supabase_service_role_key: SecretStr | None = None
    """Its service-role (secret) key: Settings > API Keys in Supabase."""
    database_url: SecretStr | None = None
    """Any Postgres, as in postgresql://user:password@host:5432/postgres; with Supabase it serves
    `outreach db migrate`, and wakes the dispatcher. Without either, a Postgres is started under
    OUTREACH_HOME."""
    outreach_home: Path = Path(".outreach")
    """The folder of what is run on this machine: the embedded Postgres, the server of
    `outreach up`."""

    google_client_id: str | None = None
    """Of the OAuth client that the accounts' refresh tokens are made with: Google Cloud console >
    APIs & Services > Credentials > Create credentials > OAuth client ID > Desktop app."""
    google_client_secret: SecretStr | None = None
    """Of the same client."""
    gmail_delivery: Literal["auto", "drafts", "direct"] = "auto"
    """How mails are sent: `drafts` exactly once, `direct` at most once; `auto` takes drafts where
    an account's scopes allow them."""
    gmail_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """Seconds that Gmail may take for one answer."""
    gmail_settle_seconds: float = Field(default=60.0, ge=0, le=DAY)
    """Seconds to let Gmail come to rest before a mail in doubt is looked for."""
    gmail_api_url: WebAddress = GMAIL_API
    """For the sandbox, tests and proxies."""
    google_token_url: WebAddress = GOOGLE_TOKEN
    """The same, for access tokens."""
    google_auth_url: WebAddress = GOOGLE_AUTH
    """The same, for the consent page of `outreach accounts connect`."""

    app_url: WebAddress | None = Field(
        default=None, validation_alias=AliasChoices("APP_URL", "NEXT_PUBLIC_APP_URL")
    )
    """The web app that answers /api/track/open and /api/unsubscribe, or `outreach web`. Without it
    mails carry no tracking pixel, and recipients unsubscribe by mail alone."""
    footer_required: bool = False
    """1: a campaign without a footer (a postal address, a link to unsubscribe) does not pass
    `check`."""
    web_proxies: Annotated[str, AfterValidator(_networks)] = ""
    """Proxies before `outreach web`, as addresses or networks with commas between: only they are
    believed in X-Forwarded-For."""
    # Its query may be a key, so that it is not shown.
    attachment_pdf: Annotated[str, AfterValidator(_file_or_address)] | None = Field(
        default=None, repr=False
    )
    """A path or an https address, of any host; its name is what recipients see. A campaign may name
    its own (a file beside this one, or an https address of a public host), or none."""

    domain_checks: bool = True
    """`check` and `doctor` ask DNS whether receivers trust the senders' domains (SPF, DKIM, DMARC),
    and `check` whether recipients' domains take mail. 0: DNS is not asked."""
    dns_servers: Annotated[str, AfterValidator(_servers)] = ""
    """Resolvers to ask in place of the system's, as IP addresses with commas between, such as
    10.0.0.1, [::1]:5353. With the Gmail sandbox DNS is asked only where this is set."""

    send_pace_seconds: float = Field(default=2.0, ge=0, le=DAY)
    """Seconds between two mails of an account; an account may have its own."""
    account_daily_limit: int = Field(default=500, ge=1, le=1_000_000)
    """Mails of an account in any 24 hours; an account may have its own."""
    send_concurrency: int = Field(default=8, ge=1, le=200)
    """Sender threads of one run."""
    campaigns_at_once: int = Field(default=200, ge=1, le=1000)
    """Campaigns that are sent side by side, over all machines; others wait for a place. In a work
    pool of processes each costs about 100 MB. Campaigns that rest (a window, a daily limit) take
    none."""
    claim_lease_seconds: float = Field(default=120.0, gt=0, le=DAY)
    """Seconds for which a lead stays with a run that claimed it and has not begun to mail it."""

    mailbox_seconds: float = Field(default=60.0, ge=0, le=DAY)
    """Seconds between two readings of an account's mailbox, for replies, bounces and opt-outs; 0:
    never."""
    guard_dead_share: float = Field(default=0.05, ge=0, le=1)
    """A campaign of whose mails this share met dead addresses pauses itself, and an account rests
    for a day; 0: never."""
    guard_least_mails: int = Field(default=50, ge=1, le=1_000_000)
    """The fewest mails by which that is judged."""

    retention_days: float = Field(default=0, ge=0, le=36_500)
    """Days after a person's last mail at which their address and fields are forgotten; 0: never."""

    log_sends: bool = True
    """A line in a run's log for each mail that was sent: lead, account and Gmail's ids, addresses
    masked. 0 keeps the log of a large campaign short; `outreach campaigns leads` has all of it."""

    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """The port of `/metrics` (Prometheus), `/health` and `/ready` of `outreach worker`, and of the
    worker of `outreach up`; 0 takes a free one. Without it there are none."""
    web_metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """The same for `outreach web`: a port of its own, since recipients reach the other one."""
    metrics_host: str = "127.0.0.1"
    """The address on which both listen. The metrics have no password."""

    @property
    def settle_after_seconds(self) -> float:
        """Age from which an attempt may be decided by others than its own sender.

        The budget of its post, Gmail's time to answer, and the margin.
        """
        return 2 * self.gmail_timeout_seconds + self.gmail_settle_seconds

    def exported(self) -> dict[str, str]:
        """Environment variables for another process, with secrets; without those that are None."""
        return {
            name.upper(): str(value.get_secret_value() if isinstance(value, SecretStr) else value)
            for name in type(self).model_fields
            if (value := getattr(self, name)) is not None
        }

    @classmethod
    def only(cls, **values: object) -> "Settings":
        """Settings from these values and the defaults alone: no `.env`, no environment.

        Raises ConfigurationError, as `load` does.
        """
        try:
            return _Isolated(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            raise _unusable(error) from None


class _Isolated(Settings):
    """Settings of the demo and the tests: no variable of the environment can cause a real mail, and
    the real DNS is not asked.
    """

    domain_checks: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load() -> Settings:
    """Read the settings of this process.

    Raises ConfigurationError that names the first wrong setting; never shows its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise _unusable(error) from None
    except UnicodeDecodeError:
        raise ConfigurationError("The file .env is not UTF-8", "save it as UTF-8") from None


def _unusable(error: ValidationError) -> ConfigurationError:
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    # Our validators' own words, without pydantic's before them.
    why = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    return ConfigurationError(f"{name} is not usable: {why}", "see .env.example")
