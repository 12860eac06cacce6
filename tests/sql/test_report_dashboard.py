"""The dashboard of the reports: each of its queries is run as Grafana would send it, by a reader's role."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from outreach.store.reader import make_reader
from tests.conftest import new_database
from tests.sql.conftest import Build

FILE = Path(__file__).parents[2] / "deployments" / "monitoring" / "reports.json"
DASHBOARD = json.loads(FILE.read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
FROM, TO = "'2026-11-20T05:01:17Z'", "'2026-12-20T05:06:17Z'"
DAY = 86_400


def as_sent(query: str, campaign: str) -> str:
    """With Grafana's macros replaced as its documentation has them, and the variable as chosen."""
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {FROM} AND {TO}", query)
    query = query.replace("$campaign", campaign)
    assert "$" not in query, query
    return query


def chosen(*campaigns: UUID) -> str:
    """Several values of a variable: quoted, with commas."""
    return ",".join(f"'{campaign}'" for campaign in campaigns)


@pytest.fixture(scope="module")
def build(server: SecretStr) -> Iterator[Build]:
    """In a database of this file's own."""
    with (
        new_database(server) as database,
        psycopg.connect(database.get_secret_value(), autocommit=True) as db,
    ):
        yield Build(db)


@pytest.fixture(scope="module")
def campaign(build: Build) -> UUID:
    """One mail sent and opened, one refused, one lead pending; a follow-up."""
    made = build.campaign(build.account(), leads=3)
    run = build.begin(made, lease=1e6)
    for became in ("sent", "refused"):
        content = {"template": "ab" * 32, "own": False, "text": {"subject": "Hello", "body": "Hi"}}
        attempt, lead = build.open(made, run, content=content)
        build.record(attempt, became, why="no such user")
        build.sql.record_open(lead=lead, at=60, user_agent="Thunderbird")
    build.campaign(parent_id=made, step=2, delay_days=3, status="completed")
    return made


@pytest.fixture(scope="module")
def reader(server: SecretStr, build: Build, campaign: UUID) -> Iterator[psycopg.Connection]:
    """A connection of the role that `outreach db reader` makes."""
    assert campaign
    own = conninfo_to_dict(server.get_secret_value()) | {"dbname": build.db.info.dbname}
    address = make_reader(SecretStr(make_conninfo("", **own)), "grafana_test").get_secret_value()
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection
    build.db.execute("drop owned by grafana_test; drop role grafana_test")


def test_each_panel_has_an_answer_with_the_columns_that_it_names(
    reader: psycopg.Connection, build: Build
) -> None:
    """For all campaigns and for chosen ones; of others there is nothing."""
    every = VARIABLES["campaign"]["allValue"]
    each = [made for (made,) in build.db.execute("select id from campaigns")]
    for panel in PANELS:
        (target,) = panel["targets"]
        found = reader.execute(as_sent(target["rawSql"], every).encode())
        columns = [column.name for column in found.description or ()]
        rows = found.fetchall()
        assert rows, panel["title"]
        assert set(names(panel)) <= set(columns), panel["title"]
        of_each = as_sent(target["rawSql"], chosen(*each, UUID(int=7)))
        assert reader.execute(of_each.encode()).fetchall() == rows, panel["title"]
        of_none = as_sent(target["rawSql"], chosen(UUID(int=7)))
        if of_none != of_each:
            assert reader.execute(of_none.encode()).fetchall() != rows, panel["title"]


def names(panel: Any) -> Iterator[str]:
    """The columns to which a panel gives a name, a unit or a colour."""
    for override in panel["fieldConfig"]["overrides"]:
        assert override["matcher"]["id"] == "byName"
        yield override["matcher"]["options"]


def test_a_series_has_its_time_first_and_numbers_after_it(reader: psycopg.Connection) -> None:
    """Sorted; at midnight in UTC, whatever the time zone of the session."""
    reader.execute("set time zone 'Asia/Tokyo'")
    series = [panel for panel in PANELS if panel["type"] == "timeseries"]
    for panel in series:
        (target,) = panel["targets"]
        found = reader.execute(as_sent(target["rawSql"], "campaign_id").encode())
        names_, rows = [column.name for column in found.description or ()], found.fetchall()
        assert (target["format"], names_[0]) == ("time_series", "time")
        assert {row[0].timestamp() % DAY for row in rows} == {0}
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert all(value >= 0 for row in rows for value in row[1:])
    assert len(series) == 2


def test_the_numbers_are_those_of_the_report(
    reader: psycopg.Connection, build: Build, campaign: UUID
) -> None:
    totals = build.sql.report_numbers(campaign=campaign)["totals"]
    shown = {panel["title"]: panel["targets"][0]["rawSql"] for panel in PANELS}

    def answer(title: str) -> Any:
        return reader.execute(as_sent(shown[title], chosen(campaign)).encode()).fetchone()

    assert answer("Mails") == tuple(totals[n] for n in ("sent", "refused", "unclear", "put_off"))
    assert answer("Opened, of those sent") == (totals["opened_low"], totals["opened_high"])
    assert answer("Mails") == (1, 1, 0, 0)
    assert (answer("Failures"), answer("Leads to come")) == ((1,), (1,))


def test_a_campaign_is_chosen_by_its_name(reader: psycopg.Connection, campaign: UUID) -> None:
    found = reader.execute(VARIABLES["campaign"]["query"].encode())
    assert [column.name for column in found.description or ()] == ["__text", "__value"]
    assert found.fetchall() == [("Spring", campaign)]


def test_every_view_is_shown(build: Build) -> None:
    views = build.db.execute(
        "select table_name from information_schema.views where table_schema = 'outreach_report'"
    ).fetchall()
    queries = " ".join(panel["targets"][0]["rawSql"] for panel in PANELS)
    assert [name for (name,) in views if f"outreach_report.{name}" not in queries] == []


def test_every_panel_has_a_place_and_the_data_source_that_is_chosen() -> None:
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in PANELS]
    taken = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    sources = {json.dumps(panel["datasource"]) for panel in PANELS}
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert sources == {json.dumps(VARIABLES["campaign"]["datasource"])}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
