"""This machine is never asked for through a proxy."""

import os

import pytest

from outreach.loopback import never_through_a_proxy

HERE = "127.0.0.1,localhost,::1"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({}, HERE),
        ({"NO_PROXY": "db.internal"}, f"db.internal,{HERE}"),
        ({"no_proxy": "localhost", "NO_PROXY": "unread"}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_what_no_proxy_is_for_stays(
    named: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And this machine is added, in both spellings."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in named.items():
        monkeypatch.setenv(name, value)

    never_through_a_proxy()

    assert (os.environ["NO_PROXY"], os.environ["no_proxy"]) == (told, told)
