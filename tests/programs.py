"""Programs of the machine's that some tests need."""

import os
import shutil
from typing import NoReturn

import pytest


def needed(program: str, package: str) -> str:
    """Where it is; without it the test is skipped, and in CI, which has to have it, fails."""
    if (found := shutil.which(program)) is None:
        missing(f"{program} is missing; it comes with Debian's package {package}")
    return found


def missing(told: str) -> NoReturn:
    """Skip the test; in CI, which has to have all, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)
