"""What is written about settings and commands is what the code says."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, computed_field

from outreach.campaign.models import LeadCounts
from outreach.cli import reference
from outreach.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "write"),
    [("docs/reference.md", reference.reference), (".env.example", reference.env_example)],
)
def test_a_generated_file_is_what_the_code_says(path: str, write: object) -> None:
    """`make reference` writes both anew."""
    assert callable(write)
    assert (ROOT / path).read_text(encoding="utf-8") == write(), "run `make reference`"


def test_every_setting_says_what_it_is() -> None:
    """Below its field."""
    silent = [name for name, field in Settings.model_fields.items() if not field.description]

    assert silent == []


def test_every_command_with_json_has_its_shape_told() -> None:
    """And no shape is of a command that is gone."""
    with_json = {
        path
        for path, context in reference.walk()
        if any("--json" in one.opts for one in context.command.params)
    }

    assert with_json == set(reference.SHAPES)


class Shown(BaseModel):
    id: UUID
    leads: LeadCounts
    at: datetime | None
    runs: list[str]
    hidden: str = Field(exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        return 1


def test_a_shape_is_what_a_script_sees() -> None:
    """With what is computed, without what is hidden."""
    assert reference.shape(Shown) == (
        "{id: uuid, leads: {pending: number, sent: number, failed: number, cancelled: number},"
        " at: time or null, runs: [string, …], total: number}"
    )
