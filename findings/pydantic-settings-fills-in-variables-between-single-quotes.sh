#!/usr/bin/env bash
# A password in a .env file, between single quotes, would be expected to be read as it stands: that is what they mean
# in a shell, and to Docker Compose, which reads such files too.
# pydantic-settings fills in ${NAME} there as well, from the environment or from the lines above, and puts nothing
# where there is no such variable: 'pa${ss}wd' is read as "pawd". $NAME without braces is left alone. There is no
# escape: a backslash stays in the value. Nothing turns it off, though the library below, python-dotenv, has a switch
# (interpolate=False).
# Seen with pydantic-settings 2.16.3 and python-dotenv 1.2.4. The same value in the environment itself is read whole,
# so one password works in one place and not in the other.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic-settings==2.16.3 python-dotenv==1.2.4
cd "$folder"

env -i "$folder/venv/bin/python" - <<'END'
import os
import sys
from importlib.metadata import version
from pathlib import Path

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env")

    password: str


STATED = {"pa${ss}wd": "pawd", "pa$ss": "pa$ss", r"pa\${ss}wd": r"pa\wd"}
print("pydantic-settings", version("pydantic-settings"), "python-dotenv", version("python-dotenv"))
seen = {}
for password in STATED:
    Path(".env").write_text(f"PASSWORD='{password}'\n")
    seen[password] = Settings().password
    print(f"{password} between single quotes: expected as it is, seen {seen[password]}")
os.environ["PASSWORD"] = "pa${ss}wd"
alone = Settings().password
Path(".env").write_text("PASSWORD='pa${ss}wd'\n")
switched = dotenv_values(".env", interpolate=False)["PASSWORD"]
print("in the environment:", alone, "- by python-dotenv with interpolate=False:", switched)
if seen != STATED or {alone, switched} != {"pa${ss}wd"}:
    sys.exit("Changed: a value between single quotes is read otherwise.")
END
