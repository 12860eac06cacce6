"""The same as tasks of Celery; `python -m benchmarks.peer_celery PORT LEADS` asks for them.

With `ACCOUNTS PACE` behind it each account has that many leads, and a mail every PACE seconds.
"""

import base64
import json
import os
import sys
import time
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psycopg
from celery import Celery

app = Celery("peer", broker=os.environ.get("PEER_REDIS", ""))
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=4)


@cache
def database() -> psycopg.Connection:
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


@cache
def gmail() -> httpx.Client:
    return httpx.Client(base_url=os.environ["GMAIL_API_URL"], trust_env=False)


@cache
def pdf() -> bytes:
    return Path(os.environ["ATTACHMENT_PDF"]).read_bytes()


@app.task
def send(lead: int) -> None:
    found = (
        database()
        .execute("select email, name, company from peer_leads where id = %s", [lead])
        .fetchone()
    )
    email, name, company = found or ("", "", "")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@ours.example", email, "A deck for you"
    mail.set_content(f"Hello {name}")
    mail.add_alternative(f"<p>Hello {name} of {company}</p>", subtype="html")
    mail.add_attachment(pdf(), maintype="application", subtype="pdf", filename="deck.pdf")
    answer = gmail().post(
        "/gmail/v1/users/me/messages/send",
        json={"raw": base64.urlsafe_b64encode(mail.as_bytes()).decode()},
        headers={"Authorization": "Bearer ada@ours.example"},
    )
    database().execute(
        "update peer_leads set status = 'sent', message_id = %s where id = %s",
        [answer.json()["id"], lead],
    )


def main(port: str, leads: int, accounts: int = 1, pace: float = 0) -> None:
    app.conf.broker_url = f"redis://127.0.0.1:{port}/0"
    began, cpu = time.monotonic(), time.process_time()
    for lead in range(accounts * leads):
        send.apply_async((lead + 1,), countdown=lead // accounts * pace or None)
    told: dict[str, Any] = {"began": began, "cpu": time.process_time() - cpu}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    from benchmarks.peer_celery import main as tasks_named_as_the_worker_does

    tasks_named_as_the_worker_does(
        sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:4]), *map(float, sys.argv[4:5])
    )
