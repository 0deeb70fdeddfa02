#!/usr/bin/env bash
# Streamlit's AppTest before 1.66 knows a component of an imported module in one AppTest of a process only: each has a registry of its own, and Python imports a module once.
# Who tests pages that import a component needs 1.66, or forgets the module before each AppTest (sys.modules.pop), or makes the component in the page's own script.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > own.py <<'PYTHON'
import streamlit as st

hello = st.components.v2.component("hello", html="<p>Hello</p>")
PYTHON

cat > page.py <<'PYTHON'
from own import hello

hello()
PYTHON

cat > twice.py <<'PYTHON'
import sys

from streamlit.testing.v1 import AppTest


def opened():
    at = AppTest.from_file("page.py", default_timeout=60).run()
    return "; ".join(error.value.rstrip(".") for error in at.exception) or "no error"


print("first AppTest:", opened())
print("second AppTest:", opened())
sys.modules.pop("own")
print("third, after the module was forgotten:", opened())
PYTHON

cat > good <<'TEXT'
first AppTest: no error
second AppTest: no error
third, after the module was forgotten: no error
TEXT
sed "s/^second.*/second AppTest: Component 'hello' is not registered/" good > surprising

echo "Expected: the same page, opened by two AppTests of one process, has no error in either."
changed=0
for version in 1.62.0 1.65.0 1.66.0; do
  python3.11 -m venv --clear venv
  venv/bin/python -m pip install --quiet --disable-pip-version-check "streamlit==$version"
  echo "Seen with streamlit $version:"
  venv/bin/python twice.py 2> log | tee seen || { cat log >&2; exit 1; }
  if [ "$version" = 1.66.0 ]; then known=good; else known=surprising; fi
  cmp -s seen "$known" || { echo "CHANGED: it was"; cat "$known"; changed=1; }
done
exit $changed
