"""About: where the app runs, what it cannot do there, and how to put it on a host of one's own."""

from __future__ import annotations

import streamlit as st

from dashboard.host.tab import IN_TAB
from dashboard.present import anatomy, glossary, hosting
from dashboard.present.outside import plain
from dashboard.sections import kept_here


def where() -> None:
    """Say where the app runs just now, and what that means."""
    st.markdown("## Where it runs")
    if IN_TAB:
        st.write(
            "All of it runs in this browser tab. There is no server behind it: nothing that you "
            "draw, open or train leaves your machine, and the page asks no host but its own "
            "for anything, and the one its Python comes from."
        )
    else:
        st.write(
            "It runs on a server, which keeps what you open and train in its memory as long as "
            f"you use it. {plain(kept_here.retention())} The same app also runs in a "
            "browser tab alone."
        )
    st.html(
        anatomy.table(("", "In a tab", "On a server"), hosting.DIFFERENCES, label="What differs")
    )


def the_words() -> None:
    """List what the words of the field mean, each with the page that shows it."""
    st.markdown("## Words")
    st.write("They are also explained where they are met: behind the question marks.")
    st.html(glossary.STYLE)
    for row in glossary.in_rows(3):
        for column, term in zip(st.columns(3, gap="medium"), row, strict=False):
            with column:
                st.html(glossary.entry(term))
                st.page_link(f"views/{term.page.lower()}.py", label=f"See it on {term.page}")


def own_host() -> None:
    """Tell how to put the app on a static host."""
    st.markdown("## Put it on a host of your own")
    st.write(
        "The tab's form is a folder of static files. Made once, it can be copied to any host that "
        "hands out files, at its root or in a folder below. No special headers are needed, and it "
        "does not matter how many visitors come. The host should answer unknown addresses with "
        "the file 404.html, as most do: links to pages then work."
    )
    st.code(hosting.COMMANDS, language=None, wrap_lines=True)
    st.write(
        "Data sets of yours may lie beside it, as `site/sets/mnist/`: `?data=sets/mnist/` in a "
        "link opens them. Other hosts have to be named when the site is made, with "
        "`--allow-data-from data.example.org`."
    )
    with st.expander("GitHub Pages, step by step"):
        st.markdown(
            "1. In the repository's settings, under Pages, choose “GitHub Actions” as the source.\n"
            "2. Add this file as `.github/workflows/site.yml` and push it.\n"
            "3. The address stands in the workflow's last step: `https://NAME.github.io/REPOSITORY/`."
        )
        st.code(hosting.WORKFLOW, language=None, wrap_lines=True)


st.title("About", anchor=False)
where()
the_words()
own_host()
