#!/usr/bin/env bash
# A contract that forbids pkg.a to import pkg.b would be expected to cover every module below pkg.a that Python can
# import.
# A module in a subfolder without an __init__.py is left out, though Python imports it: the contract is kept, with no
# warning, while that module imports pkg.b. With an empty __init__.py the same contract is broken.
# Seen with import-linter 2.16 and grimp 3.19. A folder that somebody adds without that file is outside of all rules,
# and the check stays green.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet import-linter==2.16 grimp==3.19
mkdir -p "$folder/work/pkg/a/inner" "$folder/work/pkg/b"
cd "$folder/work"
touch pkg/__init__.py pkg/a/__init__.py pkg/b/__init__.py
echo "import pkg.b" >pkg/a/inner/module.py
cat >.importlinter <<'END'
[importlinter]
root_package = pkg

[importlinter:contract:1]
name = a without b
type = forbidden
source_modules =
    pkg.a
forbidden_modules =
    pkg.b
END

"$folder/venv/bin/pip" list 2>"$folder/pip.log" | grep -E '^(import-linter|grimp) '
"$folder/venv/bin/python" -c 'import sys; sys.path.insert(0, "."); import pkg.a.inner.module; print("Python imports the module, and with it pkg.b:", "pkg.b" in sys.modules)'
echo "expected: broken, with and without the file"
verdict() {
  local end=0
  "$folder/venv/bin/lint-imports" --no-cache >"$folder/$1.log" 2>&1 || end=$?
  grep -iE 'warning|^a without b ' "$folder/$1.log" | sed "s/^/seen: $1: /"
  return "$end"
}
without=0
verdict without-init || without=$?
touch pkg/a/inner/__init__.py
with=0
verdict with-init || with=$?
if [ "$without" != 0 ] || [ "$with" != 1 ] || grep -qi warning "$folder/without-init.log"; then
  echo "Changed: a folder without an __init__.py is no longer left out in silence." >&2
  exit 1
fi
