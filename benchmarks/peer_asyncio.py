"""What somebody would write without an engine: `python -m benchmarks.peer_asyncio LEADS`.

With `ACCOUNTS PACE` behind it each account has that many leads, and a mail every PACE seconds.
"""

import asyncio
import base64
import json
import os
import sys
import time
from email.message import EmailMessage
from pathlib import Path

import asyncpg
import httpx

IN_FLIGHT = 32


def raw(lead: asyncpg.Record, pdf: bytes) -> str:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@ours.example", lead["email"], "A deck for you"
    mail.set_content(f"Hello {lead['name']}")
    mail.add_alternative(f"<p>Hello {lead['name']} of {lead['company']}</p>", subtype="html")
    mail.add_attachment(pdf, maintype="application", subtype="pdf", filename="deck.pdf")
    return base64.urlsafe_b64encode(mail.as_bytes()).decode()


async def main(leads: int, pdf: bytes, accounts: int = 1, pace: float = 0) -> None:
    limit = asyncio.Semaphore(IN_FLIGHT)
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with (
        asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=8) as pool,
        httpx.AsyncClient(
            base_url=os.environ["GMAIL_API_URL"], limits=limits, trust_env=False
        ) as gmail,
    ):

        async def send(lead: asyncpg.Record) -> None:
            async with limit:
                answer = await gmail.post(
                    "/gmail/v1/users/me/messages/send",
                    json={"raw": raw(lead, pdf)},
                    headers={"Authorization": "Bearer ada@ours.example"},
                )
                await pool.execute(
                    "update peer_leads set status = 'sent', message_id = $2 where id = $1",
                    lead["id"],
                    answer.json()["id"],
                )

        async def paced(own: list[asyncpg.Record]) -> None:
            for number, row in enumerate(own):
                await asyncio.sleep(began + number * pace - time.monotonic())
                await send(row)

        rows = await pool.fetch("select * from peer_leads where id <= $1", accounts * leads)
        began = time.monotonic()
        if pace:
            await asyncio.gather(*[paced(rows[first::accounts]) for first in range(accounts)])
        else:
            await asyncio.gather(*[send(row) for row in rows])


if __name__ == "__main__":
    cpu, began = time.process_time(), time.monotonic()
    pdf = Path(os.environ["ATTACHMENT_PDF"]).read_bytes()
    asyncio.run(main(int(sys.argv[1]), pdf, *map(int, sys.argv[2:3]), *map(float, sys.argv[3:4])))
    told = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(told), flush=True)
