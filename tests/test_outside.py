"""Text from outside stays text: in Markdown, in a chart, in HTML, in a list, in a file's name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboard.present import curves, figures, outside, style
from dashboard.present.outside import file_name, html, label, plain, shown
from nnengine.training import History

ROOT = Path(__file__).resolve().parent.parent
JOINER = outside._JOINER


def read_by_markdown(text: str) -> str:
    """Return what Markdown makes of backslashes: the text that Streamlit looks through again."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@pytest.mark.parametrize(
    "pattern, text",
    [
        (r"https?://", "https://pictures.example/x.png"),
        (r"www(?=\.)", "WWW.pictures.example"),
        (r"[-.\w+]+@[-\w]+(?:\.[-\w]+)+", "somebody@mail.example"),
        (r":material/\w+:", ":material/home:"),
        (r":streamlit:", ":streamlit:"),
        (r":\+?\w+:", ":+1: :tada:"),
        (r"(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)", "a <-> b -> c <- d -- e >= f <= g ~= h"),
    ],
)
def test_what_is_looked_for_after_markdown_is_not_found(pattern, text):
    assert re.search(pattern, text, re.IGNORECASE)
    assert not re.search(pattern, read_by_markdown(plain(text)), re.IGNORECASE)


def test_every_sign_of_markdown_has_its_backslash():
    for sign in "\\`*_{}[]()#+-.!|<>~$:&=":
        assert "\\" + sign in plain(f"a{sign}b")


def test_nothing_but_joiners_is_added_to_what_is_read():
    text = "![x](https://a.example) :red[b] $c$ `d` <img> a@b.example --> # 1. e"
    assert text == read_by_markdown(plain(text)).replace(JOINER, "")


def test_ordinary_words_stay_as_they_are():
    assert "Run 1, 784 pixels, 92\u00a0%" == plain("Run 1, 784 pixels, 92\u00a0%")
    assert "Images\\: 5" == plain("Images: 5")


def test_line_breaks_and_indents_become_spaces():
    assert "a b c d" == shown("  a\r\nb\t\t c\u2028d\n")


def test_letters_that_cannot_be_encoded_or_that_control_are_shown_as_lost():
    assert "a\ufffdb\ufffdc" == shown("a\ud800b\x1bc")
    shown("\udcff.png").encode()


def test_text_cannot_turn_the_direction_of_the_words_around_it():
    assert "\u2068\ufffdgpj\u05d0\ufffd\u2069" == shown("\u202egpj\u05d0\u2069")
    assert "\ufffdgpj" == shown("\u202egpj")


def test_a_long_text_keeps_its_beginning_and_its_end():
    text = shown("begins" + "x" * 10**6 + "ends", 40)
    assert text.startswith("begins") and text.endswith("ends")
    assert len(text) <= 43


def test_plotly_is_given_no_tag_no_entity_and_no_variable():
    assert '&lt;a href="x"&gt;&amp;lt;' == label('<a href="x">&lt;')
    assert "%{y}" not in label("%{y}")
    assert len(label("x" * 1000)) <= outside.SHORT + 3


def test_names_that_are_cut_to_the_same_still_are_rows_of_their_own():
    first, second = style.rows(["x" * 40 + "1" * 1000 + "y" * 40, "x" * 40 + "2" + "y" * 40])
    assert first != second


def test_equal_texts_are_told_apart_by_their_places():
    assert ["a (0)", "b", "a (2)"] == outside.apart(["a", "b", "a"])


def test_html_takes_no_tag_and_no_quote():
    assert "&lt;b&gt;&quot;&#x27;&amp;" == html("<b>\"'&")


def test_a_name_of_a_file_is_letters_digits_and_hyphens_that_fit_any_disk():
    assert "a-b-png" == file_name("../a\\b\ud800\u202e.png")
    assert "network" == file_name("../..")
    assert len(f"{file_name(chr(0x20000) * 500)}-weights.png".encode()) <= 255


HOSTILE = '<a href="https://one.example">x</a> %{y} &lt;'


def test_charts_show_names_as_they_are():
    history = History()
    for figure in (
        curves.curves([(HOSTILE, history), ("b", history)], "loss"),
        figures.robustness([(HOSTILE, np.ones(2))], np.zeros((2, 8, 8), np.uint8), "ab", usual=0),
        figures.class_balance(np.ones(2), (HOSTILE, "b")),
        figures.weight_bars(np.ones(2), (HOSTILE, "b")),
        figures.confusion(np.eye(2), (HOSTILE, "b")),
        figures.heatmap(np.eye(2), x_title="", y_title="", x_names=(HOSTILE, "b")),
    ):
        text = figure.to_json().replace("\\u003c", "<").replace("\\u003e", ">")
        assert "one.example" in text
        assert "<a" not in text and "%{y} &" not in text


# What pages are given --------------------------------------------------------------------

# Which arguments of Streamlit's are read as Markdown: the first, unless it is said here.
FIRST = frozenset(
    "button caption checkbox download_button error expander file_uploader header info link_button "
    "markdown multiselect number_input page_link popover selectbox slider spinner subheader "
    "success text_input title toast toggle warning write".split()
)
PLACES = {name: slice(0, 1) for name in FIRST} | {
    "image": slice(0, 0),
    "metric": slice(0, 3),
    "progress": slice(1, 2),
    "radio": slice(0, 2),
    "segmented_control": slice(0, 2),
}
NAMED = frozenset("label text caption help body delta".split())
# What these return has gone through the door, or is words and numbers of ours.
DOOR = frozenset({"plain"})
OURS = frozenset(
    "capitalize compact explained fact forgotten in_words invitation len of_label of_setting "
    "percent score sentence share size _facts _said".split()
)
# What holds words of ours, by file: whoever adds to this has seen where they come from.
WORDS = {
    "views/about.py": "term.page | term.page.lower()",
    "views/data.py": "found | found[0] | sides",
    "views/draw.py": "learning",
    "views/fragility.py": "title | text",
    "views/models.py": "kinds[held.kind]",
    "views/weights.py": "about | learning",
    "sections/answers.py": "h | w | ' '.join(notes)",
    "sections/augment_form.py": "label | *CHOICES | OWN | anew | amount.label | amount.sentence",
    "sections/check_curve.py": "'\\n'.join(map(_line, said))",
    "sections/check_probe.py": "(COLUMNS, ROWS)",
    "sections/chooser.py": "label | names | entry.summary | again | "
    "'\\n'.join((f'- {link}' for link in links))",
    "sections/compare_change.py": "_replay(run, step, changes) | row.label | row.help | before",
    "sections/compare_runs.py": "list(ACROSS)",
    "sections/doctor.py": "'\\n'.join((f'- {plain(figure)}' for figure in finding.evidence))",
    "sections/drawing.py": "BY_HAND | FROM_FILE",
    "sections/evaluation.py": "name | judged.source | value",
    "sections/file_cards.py": "packed | what | question.undo",
    "sections/lesson_step.py": "kind | number | step.about | step.title | who | "
    "STEPS[now + 1].title | label",
    "sections/no_data.py": "why",
    "sections/next_steps.py": "said | label",
    "sections/questions.py": "question.title | question.why | way | words",
    "sections/first_steps.py": "asked | whose | temperature.price(held) | hosting.PROMISE_IN_TAB | "
    "hosting.PROMISE",
    "sections/guard.py": "' or '.join(about)",
    "sections/kept_here.py": "lost",
    "sections/network_choice.py": "label | means | title | text",
    "sections/recipe_form.py": "shape | length | against | about",
    "sections/recipe_fields.py": "BENEATH['name'] | SWITCHES[name].label | "
    "list(SWITCHES[name].options) | row.label | help",
    "sections/rewind.py": "of | part | asked.drawn | rewinding.about(step, "
    "run.total_steps, images / max(each, 1), words.size(size), "
    "words.size(told.moments.packed_bytes + told.waiting_bytes), len(steps))",
    "sections/follow_choice.py": "label | offered | part | help",
    "sections/follow_forward.py": "title | sentence",
    "sections/robustness.py": "kind.title | kind.sentence | kind.name",
    "sections/layer_weights.py": "tall | wide",
    "sections/run_panel.py": "colour | label | row.label | said",
    "sections/saving.py": "kind | formats | demos",
    "sections/search_form.py": "row.label | list(ABOUT) | ABOUT[way] | said | share | label",
    "sections/set_images.py": "NUMBERS",
    "sections/sharing.py": "list(words) | measured | BENEATH['share']",
    "sections/unit_weights.py": "kind",
    "sections/way.py": "part | strip.stage.name | strip.count",
    "sections/why.py": "what | reasons.exactness(found) | "
    "reasons.change_words(turned, network.class_names) | "
    "reasons.alike_words(labels, answer, network.class_names)",
    "sections/tell.py": "_NONE | _ASKED | _BOTH | keys | taught.right_after | count | "
    "taught.right_before | text",
    "components/pager.py": "label | help",
}
OUR_MODULES = frozenset({"run_panel"})  # have functions named as Streamlit's are


def shown_texts(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield every call that shows Markdown, with each of its texts."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name(module), _)) if module in OUR_MODULES:
                continue
            case ast.Call(ast.Attribute(attr=name), texts, named) if name in PLACES:
                yield from ((node, text) for text in texts[PLACES[name]])
                yield from ((node, word.value) for word in named if word.arg in NAMED)


def doubtful(text: ast.AST) -> Iterator[str]:
    """Yield the parts of a text that may come from outside and have gone through no door."""
    match text:
        case ast.Constant() | ast.FormattedValue(format_spec=ast.JoinedStr()):  # a number
            return
        case ast.JoinedStr() | ast.BinOp() | ast.BoolOp() | ast.IfExp() | ast.FormattedValue():
            parts = [part for part in ast.iter_child_nodes(text) if isinstance(part, ast.expr)]
            asked = [text.test] if isinstance(text, ast.IfExp) else []
            for part in parts:
                if part not in asked:
                    yield from doubtful(part)
        case ast.Call(ast.Attribute(attr="join"), [ast.Call(ast.Name("map"), [by, _])]):
            yield from [] if ast.unparse(by) in DOOR else [ast.unparse(text)]
        case ast.Call(func):
            name = func.attr if isinstance(func, ast.Attribute) else ast.unparse(func)
            yield from [] if name in DOOR | OURS else [ast.unparse(text)]
        case ast.List(parts):
            for part in parts:
                yield from doubtful(part)
        case _:
            yield ast.unparse(text)


def pages() -> list[Path]:
    """Return the files that show something."""
    folders = [ROOT / "dashboard" / name for name in ("views", "sections", "components")]
    return [ROOT / "dashboard" / "app.py", *(f for there in folders for f in there.glob("*.py"))]


def found_doubtful(source: str, known: str = "") -> list[str]:
    """Return where a source shows Markdown that nobody vouches for."""
    return [
        f"line {call.lineno}: {part}"
        for call, text in shown_texts(ast.parse(source))
        for part in doubtful(text)
        if part not in known.split(" | ")
    ]


@pytest.mark.parametrize("file", pages(), ids=lambda file: file.name)
def test_what_a_page_shows_as_markdown_has_gone_through_the_door(file):
    known = WORDS.get(file.relative_to(ROOT / "dashboard").as_posix(), "")
    assert [] == found_doubtful(file.read_text(), known)


@pytest.mark.parametrize("name", WORDS)
def test_nobody_vouches_for_words_that_no_page_shows(name):
    found = found_doubtful((ROOT / "dashboard" / name).read_text())
    assert set(WORDS[name].split(" | ")) == {part.partition(": ")[2] for part in found}


@pytest.mark.parametrize(
    "line",
    [
        "st.markdown(name)",
        "st.error(str(fault))",
        "st.caption(f'{count:,} of {name}')",
        "left.metric(held.tested, '9 %')",
        "st.button('Keep', help=f'Keep {name}')",
        "st.warning(' '.join(names))",
        "bar.progress(0.5, text=name)",
        "st.info('So' if good else name)",
    ],
)
def test_a_name_that_has_not_gone_through_the_door_is_seen(line):
    assert found_doubtful(line)
