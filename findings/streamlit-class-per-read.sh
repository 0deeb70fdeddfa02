#!/usr/bin/env bash
# Streamlit defines a new Python class, methods and all, whenever the value of a v2 component is read, and every keyed selectbox, radio, slider, and field for text, numbers or dates reads all of them: ten components beside forty such fields make 400 classes each time the page is drawn, and each is garbage that only the cycle collector finds.
# Who draws such a page often has fewer keys or fewer components on it; multiselect, checkbox, toggle and button read none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > page.py <<'PYTHON'
import streamlit as st

components, fields, kind = st.query_params["size"].split()
hello = st.components.v2.component("hello", html="<p>Hello</p>")
options = {"options": ["a", "b"]} if kind in ("selectbox", "radio", "multiselect") else {}
for number in range(int(components)):
    hello(key=f"component {number}", on_said_change=lambda: None)
for number in range(int(fields)):
    getattr(st, kind)(f"Field {number}", key=f"field {number}", **options)
PYTHON

cat > count.py <<'PYTHON'
import gc

from streamlit.testing.v1 import AppTest


def made():
    return sum(isinstance(one, type) and one.__name__ == "_WriteThrough" for one in gc.get_objects())


def more(size):
    """Return how many classes one more drawing of the page leaves behind."""
    at = AppTest.from_file("page.py", default_timeout=60)
    at.query_params["size"] = size
    at.run()
    assert not at.exception
    gc.collect()
    gc.disable()
    before = made()
    at.run()
    found = made() - before
    gc.enable()
    return found


def beside(components, fields, kind):
    return more(f"{components} {fields} {kind}") - more(f"{components} 0 {kind}")


for components in (0, 1, 10):
    print(f"{components} components beside 40 selectboxes: {beside(components, 40, 'selectbox')}")
for kind in ("radio", "slider", "text_input", "number_input", "date_input"):
    print(f"10 components beside 2 of {kind}: {beside(10, 2, kind)}")
for kind in ("multiselect", "checkbox", "toggle", "button"):
    print(f"10 components beside 2 of {kind}: {beside(10, 2, kind)}")
PYTHON

cat > known <<'TEXT'
0 components beside 40 selectboxes: 0
1 components beside 40 selectboxes: 40
10 components beside 40 selectboxes: 400
10 components beside 2 of radio: 20
10 components beside 2 of slider: 20
10 components beside 2 of text_input: 20
10 components beside 2 of number_input: 20
10 components beside 2 of date_input: 20
10 components beside 2 of multiselect: 0
10 components beside 2 of checkbox: 0
10 components beside 2 of toggle: 0
10 components beside 2 of button: 0
TEXT

echo "Expected: a page that is drawn again defines no class, whatever keyed fields stand on it."
changed=0
for version in 1.62.0 1.67.0; do
  python3.11 -m venv --clear venv
  venv/bin/python -m pip install --quiet --disable-pip-version-check "streamlit==$version"
  echo "Seen with streamlit $version, classes more because of the fields:"
  venv/bin/python count.py 2> log | tee seen || { cat log >&2; exit 1; }
  cmp -s seen known || { echo "CHANGED: it was"; cat known; changed=1; }
done
exit $changed
