"""The time of the rows, moved on: windows, days, rests and limits pass in a few minutes."""

import time

import psycopg
from psycopg import errors, sql

from benchmarks.harness import World

WEST, EAST = -12, 14
"""The hours from UTC of the first and the last zone: so a day can pass by changes of the zone."""
KEPT = {
    "lease_until",
    "claimed_until",
    "reading_since",
    "seen_at",
    "tried_at",
    "dispatched_at",
    "next_send_at",
}
"""What a process that is alive renews all the time: after an hour it would be as near as now."""
COLUMNS = """
select table_name, array_agg(column_name::text order by column_name)
from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_schema = 'public' and table_type = 'BASE TABLE'
  and data_type = 'timestamp with time zone' and column_name <> all (%s)
group by table_name order by table_name
"""
IN_FLIGHT = {"send_attempts": "finished_at is not null"}
"""The others are of this moment: their mails leave now."""
TRIES = 20


class Clock:
    """Its zone begins at the west end and goes east by an hour with each hour that passes."""

    def __init__(self, there: World) -> None:
        self._db = there.db
        self._offset = WEST
        self._columns = dict(there.db.execute(COLUMNS, [list(KEPT)]).fetchall())

    @property
    def zone(self) -> str:
        """Of Etc: its signs are those of POSIX, the other way round."""
        return f"Etc/GMT{-self._offset:+d}"

    def move(self, seconds: float, *, hours: int = 0) -> None:
        """As if `seconds` had passed; wall clocks of campaigns with a window show `hours` more.

        All rows at once, as the senders see it.
        """
        self._offset = min(self._offset + hours, EAST)
        for _ in range(TRIES):
            try:
                with self._db.transaction():
                    self._move(seconds)
                break
            except (errors.DeadlockDetected, errors.LockNotAvailable):
                time.sleep(0.1)
        else:
            raise SystemExit("The rows cannot be moved: something holds them for too long.")
        self._db.execute("notify outreach_due")

    def _move(self, seconds: float) -> None:
        self._db.execute("set local deadlock_timeout = '100ms'")  # so that no sender is the victim
        self._db.execute("set local lock_timeout = '5s'")
        self._db.execute("set local session_replication_role = replica")  # no trigger's date of now
        for table, columns in self._columns.items():
            self._db.execute(_moved(table, columns), {"seconds": seconds})
        self._db.execute(
            "update campaigns set time_zone = %s where public.has_window(campaigns.*)", [self.zone]
        )


def _moved(table: str, columns: list[str]) -> sql.Composed:
    later = [
        sql.SQL("{0} = {0} - %(seconds)s * interval '1 second'").format(sql.Identifier(column))
        for column in columns
    ]
    return sql.SQL("update {} set {} where {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(later),
        sql.SQL(IN_FLIGHT.get(table, "true")),  # type: ignore[arg-type]  # our words
    )


def broken_rules(db: psycopg.Connection, since: object) -> dict[str, int]:
    """Mails begun since then outside of their windows, and accounts over their daily limits."""
    row = db.execute(
        "select (select count(*) from send_attempts a join campaigns c on c.id = a.campaign_id"
        "   where a.started_at > %s"
        "     and public.next_opening(c.*, a.started_at) is distinct from a.started_at),"
        " (select count(*) from accounts a where public.mails_of_account(a.id, clock_timestamp())"
        "   > public.daily_limit_of(a.*, 500, clock_timestamp()))",
        [since],
    ).fetchone()
    outside, over = row or (0, 0)
    return {"mails outside of their windows": outside, "accounts over their daily limits": over}
