"""Prepares the database of Prefect's server: `python -m deployments.server_database`.

The tables and the types of blocks, as the server itself does when it starts. In a process of its
own: what that loads and leaves in memory would stay there, a seventh of an idle server's.
"""

import asyncio

from outreach.gc_tuning import rarely_collected

PREPARED = {
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
"""Settings of a server that leaves it to this."""


async def prepare() -> None:
    """In the database of Prefect's settings."""
    from prefect.plugins import load_prefect_collections
    from prefect.server.database import provide_database_interface
    from prefect.server.models.block_registration import run_block_auto_registration

    database = provide_database_interface()
    await database.create_db()
    load_prefect_collections()  # they bring blocks
    async with await database.session() as session:
        await run_block_auto_registration(session=session)


if __name__ == "__main__":
    with rarely_collected():
        asyncio.run(prepare())
