"""Programs of the machine's that some tests need."""

import os
import shutil

import pytest


def needed(program: str, package: str) -> str:
    """Where it is; without it the test is skipped, and in CI, which has to have it, fails."""
    if (found := shutil.which(program)) is not None:
        return found
    told = f"{program} is missing; it comes with Debian's package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)
