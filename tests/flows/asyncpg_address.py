"""The address of a test's database, as Prefect's server has it for asyncpg."""

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr
from sqlalchemy import URL


def asyncpg_address(database: SecretStr) -> URL:
    parts = conninfo_to_dict(database.get_secret_value())
    return URL.create(
        "postgresql+asyncpg",
        username=str(parts["user"]),
        password=str(parts.get("password", "")),
        host=str(parts["host"]),
        port=int(parts["port"] or 0),
        database=str(parts["dbname"]),
    )
