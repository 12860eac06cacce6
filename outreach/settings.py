"""Every setting there is. Read from the environment and `.env`; each one is in `.env.example`."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from outreach.errors import ConfigurationError

GMAIL_API = "https://gmail.googleapis.com"
GOOGLE_AUTH = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a secret


class Settings(BaseSettings):
    """Settings of this process; times are in seconds.

    Built with keyword arguments alone (`Settings.only(...)`) it reads nothing from outside.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    supabase_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL"),
    )
    supabase_service_role_key: SecretStr | None = None
    database_url: SecretStr | None = None
    outreach_home: Path = Path(".outreach")

    google_client_id: str | None = None
    google_client_secret: SecretStr | None = None
    gmail_api_url: str = GMAIL_API
    google_token_url: str = GOOGLE_TOKEN
    google_auth_url: str = GOOGLE_AUTH
    gmail_delivery: Literal["auto", "drafts", "direct"] = "auto"

    app_url: str | None = Field(
        default=None, validation_alias=AliasChoices("APP_URL", "NEXT_PUBLIC_APP_URL")
    )
    attachment_pdf: str | None = None

    send_pace_seconds: float = Field(default=2.0, ge=0)
    account_daily_limit: int = Field(default=500, ge=1)
    send_concurrency: int = Field(default=8, ge=1, le=200)
    claim_lease_seconds: float = Field(default=120.0, gt=0)
    gmail_timeout_seconds: float = Field(default=30.0, gt=0)
    gmail_settle_seconds: float = Field(default=60.0, ge=0)

    @property
    def settle_after_seconds(self) -> float:
        """How old an attempt has to be before anybody but its own sender decides about it.

        Its budget to be posted, Gmail's time to answer, and the margin.
        """
        return 2 * self.gmail_timeout_seconds + self.gmail_settle_seconds

    @classmethod
    def only(cls, **values: object) -> "Settings":
        """Settings from these values and the defaults alone: no `.env`, no environment."""
        return _Isolated(**values)  # type: ignore[arg-type]


class _Isolated(Settings):
    """The demo's and the tests' settings: whatever is exported, nobody is mailed by accident."""

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

    Raises ConfigurationError that names the first setting that is wrong; never shows its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(
            f"{name} is not usable: {first['msg']}; see .env.example."
        ) from None
