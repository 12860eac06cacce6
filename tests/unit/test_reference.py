"""What is written about settings and commands is what the code says."""

from pathlib import Path

import pytest

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


def test_a_shape_is_what_a_script_sees() -> None:
    """Fields that people alone are shown are not in it."""
    assert reference.shape(reference.CampaignStatus) == (
        "{id: uuid, name: string, status: string, error: string or null, resume_at: time or null,"
        " leads: {pending: number, sent: number, failed: number, cancelled: number},"
        " flow_run_ids: [string, …]}"
    )
