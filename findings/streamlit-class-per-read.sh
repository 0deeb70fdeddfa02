#!/usr/bin/env bash
# Streamlit defines a new Python class, methods and all, whenever the value of a v2 component is read, and every keyed selectbox, radio, slider, and field for text, numbers or dates reads all of them: ten components beside forty such fields make 400 classes each time the page is drawn, and each is garbage that only the cycle collector finds.
# Who draws such a page often has fewer keys or fewer components on it; select_slider, multiselect, segmented_control, checkbox, toggle and button read none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

cat > page.py <<'PYTHON'
import streamlit as st

components, fields = st.query_params["size"].split("x")
hello = st.components.v2.component("hello", html="<p>Hello</p>")
for number in range(int(components)):
    hello(key=f"component {number}", on_said_change=lambda: None)
for number in range(int(fields)):
    st.selectbox(f"Field {number}", ["a", "b"], key=f"field {number}")
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


for components in (0, 1, 10):
    none, many = more(f"{components}x0"), more(f"{components}x40")
    print(f"{components} components: {many - none} more classes with 40 keyed selectboxes beside them")
PYTHON

cat > known <<'TEXT'
0 components: 0 more classes with 40 keyed selectboxes beside them
1 components: 40 more classes with 40 keyed selectboxes beside them
10 components: 400 more classes with 40 keyed selectboxes beside them
TEXT

echo "Expected: a page that is drawn again defines no class."
changed=0
for version in 1.62.0 1.67.0; do
  python3.11 -m venv --clear venv
  venv/bin/python -m pip install --quiet --disable-pip-version-check "streamlit==$version"
  echo "Seen with streamlit $version:"
  venv/bin/python count.py 2> log | tee seen || { cat log >&2; exit 1; }
  cmp -s seen known || { echo "CHANGED: it was"; cat known; changed=1; }
done
exit $changed
