"""Hosting: what differs between a tab and a server, and how to put the app on a static host."""

from __future__ import annotations

PROMISE_IN_TAB = (
    "All of this is worked out on your machine, in this tab: nothing you draw or open leaves it."
)
PROMISE = (
    "All of this is worked out by the server that this page comes from: what you draw or open goes "
    "to it, and nowhere else."
)
# What a visitor may ask, and the answers in a browser tab and on a server.
DIFFERENCES = (
    ("Who computes", "your machine, on one core", "the server, on all its cores"),
    (
        "While many train",
        "you are alone",
        "24 visitors at a time take turns; who waits in line sees his place, and gets turns within "
        "twenty seconds",
    ),
    (
        "Where things are kept",
        "in this browser, until you delete them; in no private window",
        "in the server's memory, for an hour after you were last seen; runs, and your images as "
        "long as a run on them has not ended, on its disk as well, unless who runs it keeps none",
    ),
    (
        "While another page or tab is in front",
        "training goes on, unless the browser freezes the tab: then it stands still until you are "
        "back; with the tab closed it stops, and goes on from what was kept",
        "training goes on for three minutes, then it pauses",
    ),
    (
        "MNIST and other sets by name",
        "not fetched: download the files and drop them, or give a link to this site's own",
        "fetched at a press",
    ),
    ("Data by a link", "from the site's own host, and those its builder named", "no"),
    ("The nnengine command, benchmarks, load tests", "no: install the project", "yes"),
)

COMMANDS = """\
make site                    # the folder site/; Python comes from a public CDN
make site SITE=--vendored    # or everything in the folder, for places without the internet
make serve-site              # look at it on this machine: http://127.0.0.1:8000
"""

# As docs/static-site.md has it; a test holds them to each other.
WORKFLOW = """\
name: site
on:
  push:
    branches: [main]
permissions:
  contents: read
  pages: write
  id-token: write
jobs:
  site:
    runs-on: ubuntu-latest
    environment:
      name: github-pages
      url: ${{ steps.deployment.outputs.page_url }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: make site
      - uses: actions/upload-pages-artifact@v3
        with:
          path: site
          include-hidden-files: true
      - id: deployment
        uses: actions/deploy-pages@v4
"""
