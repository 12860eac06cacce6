"""Prepares the database of Prefect's server: `python -m deployments.server_database`.

The tables and the types of blocks, as the server itself does when it starts. In a process of its
own: what that loads and leaves in memory would stay, a tenth of an idle server's.
"""

import asyncio

from prefect.plugins import load_prefect_collections
from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration


async def prepare() -> None:
    """The database of Prefect's settings, whatever version of Prefect it is from."""
    database = provide_database_interface()
    await database.create_db()
    load_prefect_collections()  # they bring blocks
    async with await database.session() as session:
        await run_block_auto_registration(session=session)


if __name__ == "__main__":
    asyncio.run(prepare())
