"""What a million suppressions cost a mail that none of them stops."""

from collections.abc import Iterator

from benchmarks.harness import World, world
from benchmarks.size import SLACK, Steps
from benchmarks.table import Line, at_most

FILL = """
insert into suppressions (key, cause)
select 'someone' || n || '@elsewhere' || n / 5 || '.example', 'opt_out'
from generate_series(1, %s) n
"""
COSTS = 1.05
"""The last check before a mail may take so many times as long."""


def run(*, quick: bool) -> Iterator[Line]:
    rows = 50_000 if quick else 1_000_000
    with world(prefect=False) as none, world(prefect=False) as many:
        _fill(many, rows)
        without = Steps(none, none.campaign(1000, none.accounts(4)))
        beside = Steps(many, many.campaign(1000, many.accounts(4)))
        for _ in range(45):  # in turns, since the machine is not the same all the time
            for steps in (without, beside):
                steps.send(20)
        base, cost = without.cost(), beside.cost()
        for step, most in (("claim", SLACK), ("begin", COSTS)):
            name = f"suppressed: {step}, {rows:,} suppressions beside {base[step]:.2f} ms with none"
            yield at_most(name, cost[step], most * base[step], " ms")


def _fill(there: World, rows: int) -> None:
    """In one statement, which the table's triggers refuse."""
    there.db.execute("alter table suppressions disable trigger user")
    there.db.execute(FILL, [rows])
    there.db.execute("alter table suppressions enable trigger user")
    there.db.execute("vacuum analyze")
