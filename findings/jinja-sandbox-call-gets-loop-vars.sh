#!/usr/bin/env bash
# An override of SandboxedEnvironment.call would be expected to see just the arguments that the template wrote.
# Inside a for loop every call, also that of a plain function or of a string's method, has an extra keyword
# `_loop_vars`; inside a block it is `_block_vars`. Calls in a macro or outside of both have neither.
# Seen with Jinja2 3.1.6. An override that counts, logs or refuses keyword arguments works in a flat template and
# goes wrong as soon as the same call stands in a loop.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jinja2==3.1.6
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
from importlib.metadata import version

from jinja2.sandbox import SandboxedEnvironment

seen = []


class Watching(SandboxedEnvironment):
    def call(self, context, function, /, *args, **kwargs):
        seen.append(sorted(kwargs))
        return super().call(context, function, *args, **kwargs)


def keywords(template):
    seen.clear()
    Watching().from_string(template).render(plain=lambda *args, **kwargs: "")
    return list(seen)


cases = {
    "{{ plain(1) }}": [[]],
    "{% for x in [1] %}{{ plain(x) }}{% endfor %}": [["_loop_vars"]],
    "{% for x in [1] %}{{ 'a'.upper() }}{% endfor %}": [["_loop_vars"]],
    "{% block b %}{{ plain(1) }}{% endblock %}": [["_block_vars"]],
    "{% macro m() %}{{ plain(1) }}{% endmacro %}{{ m() }}": [[], []],
}
print("Jinja2", version("jinja2"))
print("expected: no keyword in any of these, for the templates write none")
for template, stated in cases.items():
    found = keywords(template)
    print("seen:", found, "in", template)
    if found != stated:
        sys.exit("Changed: the keywords that a sandbox's call() gets are others now.")
END
