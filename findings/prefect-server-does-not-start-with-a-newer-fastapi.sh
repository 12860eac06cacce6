#!/usr/bin/env bash
# A fresh install of Prefect would be expected to give a server that starts: it asks for a fastapi below 1.0, and pip
# gives one.
# With fastapi 0.165.0 `prefect server start` ends in TypeError: Body() no longer takes min_items. Neither the install
# nor pip check has a complaint. With fastapi 0.149.0 the server's code loads.
# Seen with Prefect 3.8.8. A project that pins prefect alone breaks without a change of its own; it has to cap
# fastapi too.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1

# Loads what `prefect server start` loads; it starts nothing.
loads() {
  "$folder/venv/bin/pip" install --quiet prefect==3.8.8 "fastapi==$1"
  "$folder/venv/bin/pip" check >"$folder/check.log" 2>&1 && check=fine || check=complains
  "$folder/venv/bin/python" -c 'import prefect.server.api.server' >"$folder/$1.log" 2>&1 && end=loads || end=$(tail -n 1 "$folder/$1.log")
  echo "seen: fastapi $1: pip check $check, the server $end"
}
echo "Prefect 3.8.8"
echo "expected: it loads with both"
loads 0.165.0
newer=$check:$end
loads 0.149.0
older=$check:$end
if [[ "$newer" != fine:TypeError*min_items* ]] || [ "$older" != fine:loads ]; then
  echo "Changed: the server loads with the newer fastapi, or no longer with the older one." >&2
  exit 1
fi
