#!/usr/bin/env bash
# For a country that it does not know, holidays.country_holidays raises NotImplementedError, which its documentation names;
# a program can turn that into "there is no such country".
# Names are looked up among all that the package itself holds. "NYSE", a stock exchange, is taken for a country and gives
# its days. "MAY", the constant of the month, raises TypeError. list_supported_countries() has neither.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check holidays==0.109
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
from importlib.metadata import version

import holidays


def asked(name):
    try:
        found = holidays.country_holidays(name, years=2026)
    except Exception as error:
        return type(error).__name__
    return f"{type(found).__name__} with {len(found)} days"


seen = {name: asked(name) for name in ("ZZ", "NYSE", "MAY")}
known = holidays.list_supported_countries()
print("holidays", version("holidays"))
print("expected: NotImplementedError for each, as none is a country")
for name, came in seen.items():
    print(f"seen: {name}: {came}; a supported country: {name in known}")
if (
    seen["ZZ"] != "NotImplementedError"
    or "days" not in seen["NYSE"]
    or seen["MAY"] != "TypeError"
    or {"NYSE", "MAY"} & known.keys()
):
    sys.exit("Changed: what is no country is refused as such, or named otherwise.")
END
