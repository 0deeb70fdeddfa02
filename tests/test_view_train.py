"""Train page: from a recipe to a finished run, as a visitor would click it."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.runs.amounts import AMOUNTS
from dashboard.sections import augment_form, run_panel
from nnengine import kernels
from nnengine.analysis.robustness import DISTORTIONS
from nnengine.data.augment import PRESETS, STRONG, Augmentation
from nnengine.data.idx import write_idx
from tests.pages import asked, component, on_the_screen, words

APP = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"


def idx(array) -> bytes:
    stream = io.BytesIO()
    write_idx(stream, np.asarray(array))
    return stream.getvalue()


@pytest.fixture
def empty_page() -> AppTest:
    """The Train page of a new visitor."""
    at = AppTest.from_file(str(APP), default_timeout=240).run()
    return at.switch_page("views/train.py").run()


@pytest.fixture
def page(stripes) -> AppTest:
    """The Train page of a visitor who has dropped 300 images, in four files."""
    images, labels = stripes
    visit = state.registry().create()
    shelf = state.registry().shelf
    for name, array in (
        ("train-images", images[:240]), ("train-labels", labels[:240]),
        ("t10k-images", images[240:]), ("t10k-labels", labels[240:]),
    ):  # fmt: skip
        visit.files.append(shelf.load(name, idx(array)))
    at = AppTest.from_file(str(APP), default_timeout=240)
    at.query_params["run"] = visit.reserved
    at.run()
    yield at.switch_page("views/train.py").run()
    for run in visit.runs:
        state.scheduler().abandon(run)


def click(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def field(elements, label: str):
    return next(element for element in elements if element.label == label)


def text(at: AppTest) -> str:
    """Return what the page says, without the marks that shield Markdown."""
    said = [*at.markdown, *at.caption, *at.error, *at.info]
    return "\n".join(e.value for e in said).replace("\\", "")


def the_run(at: AppTest):
    return state.registry().find(asked(at, "run")).runs[-1]


def until(condition, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def choose_long(at: AppTest) -> None:
    """Choose a run that lasts until it is stopped: 200 passes, one image at a time."""
    field(at.number_input, "Images in a batch").set_value(1).run()
    field(at.number_input, "Epochs").set_value(200).run()


def pick_quick(at: AppTest) -> AppTest:
    choice = field(at.selectbox, "Start from")
    return choice.set_value(choice.options[1]).run()


def test_the_app_opens_and_every_page_draws():
    at = AppTest.from_file(str(APP), default_timeout=240).run()
    assert not at.exception
    for name in ("data", "train", "weights", "draw", "fragility", "models"):
        assert not at.switch_page(f"views/{name}.py").run().exception, name


def test_a_new_visitor_can_train_on_the_built_in_digits_at_once(empty_page):
    links = [link.proto.label.replace("\\", "") for link in empty_page.get("page_link")]
    assert "**Built-in digits**, 12,000 images" in links
    assert empty_page.selectbox[0].value.startswith("Quick")
    assert not field(empty_page.button, "Start training").disabled


def test_without_data_the_page_leads_to_where_data_is_added():
    visit = state.registry().create()
    visit.source = state.FILES
    at = AppTest.from_file(str(APP), default_timeout=240)
    at.query_params["run"] = visit.reserved
    at.run()
    at.switch_page("views/train.py").run()
    assert "No training data yet" in text(at)
    assert not [b for b in at.button if b.label == "Start training"]


def test_the_form_opens_for_files_with_the_recipe_that_takes_seconds_and_its_cost(page):
    until(lambda: state.scheduler().warm)
    page.run()
    assert "Quick: 784-128-10, Adam" == page.selectbox[0].value
    assert "64 → 128 → 3" in text(page)
    assert "8,707 parameters. About " in text(page)


def test_while_the_kernels_are_compiled_the_page_says_so(page, monkeypatch):
    until(lambda: state.scheduler().warm)
    monkeypatch.setattr(state.scheduler(), "warm", False)
    monkeypatch.setattr(kernels, "remark", lambda: "Kernels are kept in x for now.")
    page.run()
    assert "being compiled in the background" in text(page)
    assert "Kernels are kept in x for now." in text(page)
    monkeypatch.setattr(state.scheduler(), "warm", True)
    page.run()
    assert "being compiled in the background" not in text(page)


def test_while_the_kernels_are_compiled_nobody_waits_for_examples_of_changed_images(
    page, monkeypatch
):
    until(lambda: state.scheduler().warm)
    monkeypatch.setattr(kernels, "name", "numba")
    monkeypatch.setattr(state.scheduler(), "warm", False)
    monkeypatch.setattr(augment_form, "augmented", None)
    page.run()
    assert "Examples come as soon as" in text(page)
    assert not field(page.button, "Start training").disabled
    monkeypatch.undo()
    page.run()
    assert "Examples come as soon as" not in text(page)
    assert component(page, "train.images")


def test_a_quick_run_finishes_and_is_listed_with_its_score(page):
    pick_quick(page)
    field(page.text_input, "Name of the run").set_value("Stripes").run()
    click(page, "Start training")
    run = the_run(page)
    until(lambda: run.ended)
    page.run()
    assert ("finished", "Stripes") == (run.state, run.name)
    assert ":blue-badge[Finished]" in text(page)
    assert run.history.val_accuracy[-1] > 0.9
    shown = component(page, "board")
    (cost,) = shown["notes"]
    assert f"Computed by {kernels.name} kernels on" in cost
    assert "of the pixels are not zero" in cost
    share = round(100 * run.progress.busy_s / run.seconds)
    assert 0 < share <= 100
    assert f"The engine was at work on this run {share}% of the time." in cost
    accuracy = f"{100 * run.history.val_accuracy[-1]:.2f} %"
    assert ["Accuracy, validation", accuracy] in shown["numbers"]
    assert (1.0, None) == (shown["share"], shown["turns"])
    assert ["Accuracy", "Loss"] == [chart["title"] for chart in shown["charts"]]
    assert not [b for b in page.button if b.label in ("Pause", "Stop")]


def test_why_kernels_are_slower_than_they_could_be_is_said_beside_the_cost(page, monkeypatch):
    monkeypatch.setattr(kernels, "remark", lambda: "Numba 9 [is] not as known.")
    pick_quick(page)
    click(page, "Start training")
    run = the_run(page)
    until(lambda: run.ended)
    page.run()
    assert "Numba 9 [is] not as known." in component(page, "board")["notes"]


def test_pause_step_resume_and_stop(page):
    pick_quick(page)
    choose_long(page)
    click(page, "Start training")
    run = the_run(page)
    until(lambda: run.step > 3)
    click(page, "Pause")
    assert "paused" == run.state
    step = run.step
    click(page, "Step")
    assert step + 1 == run.step
    click(page, "Resume")
    until(lambda: run.step > step + 1)
    click(page, "Stop")
    assert "stopped" == run.state
    assert ":gray-badge[Stopped]" in text(page)


def test_a_run_whose_state_changes_while_the_page_is_drawn_is_shown_as_it_is(page, monkeypatch):
    pick_quick(page)
    choose_long(page)
    click(page, "Start training")
    run = the_run(page)
    until(lambda: "running" == run.state)
    header = run_panel.header

    def and_then_pause(drawn) -> None:
        header(drawn)
        state.scheduler().pause(run)

    monkeypatch.setattr(run_panel, "header", and_then_pause)
    page.run()
    assert "paused" == run.state
    assert ":orange-badge[Paused]" in text(page)
    assert ":green-badge[Running]" not in text(page)


def test_a_run_in_line_says_which_place_it_has_and_about_how_long_it_waits(page, monkeypatch):
    monkeypatch.setattr(state.scheduler(), "waits", lambda run: (3, 19.6))
    monkeypatch.setattr(state.scheduler(), "sharers", lambda owner: (49, 1))
    until(lambda: state.scheduler().warm)
    pick_quick(page)
    choose_long(page)
    click(page, "Start training")
    place, why = component(page, "board")["turns"]
    assert "Waiting: 3rd in line, about 20 s" == place
    assert why.startswith("50 visitors train here, 24 at a time")
    monkeypatch.setattr(state.scheduler(), "waits", lambda run: None)
    page.run()
    assert ["It has its turns now", why] == component(page, "board")["turns"]
    monkeypatch.setattr(state.scheduler(), "waits", lambda run: (1, None))
    monkeypatch.setattr(state.scheduler(), "sharers", lambda owner: (0, 5))
    page.run()
    place, why = component(page, "board")["turns"]
    assert ("Waiting: 1st in line of yours", True) == (place, "one of your 4 other runs" in why)
    monkeypatch.setattr(state.scheduler(), "waits", lambda run: None)
    page.run()
    assert component(page, "board")["turns"] is None


def test_the_run_goes_on_while_another_page_is_open(page):
    pick_quick(page)
    choose_long(page)
    click(page, "Start training")
    run = the_run(page)
    page.switch_page("views/models.py").run()
    step = run.step
    until(lambda: run.step > step + 10)
    page.switch_page("views/train.py").run()
    assert ":green-badge[Running]" in text(page)


def test_settings_survive_a_change_of_page(page):
    field(page.text_input, "Hidden layers").set_value("24, 12").run()
    page.switch_page("views/models.py").run()
    page.switch_page("views/train.py").run()
    assert "24, 12" == field(page.text_input, "Hidden layers").value
    assert "My own settings" == page.selectbox[0].value
    assert "64 → 24 → 12 → 3" in text(page)


def test_what_is_typed_while_a_page_is_drawn_is_not_overwritten_by_it(page):
    """A value that a drawing sets lands in the browser over what stands in the field by then."""
    numbers = [*page.number_input, *page.selectbox, *page.radio]
    assert all(widget.proto.set_value for widget in numbers if widget.key.startswith(state.KEEP))
    field(page.number_input, "Learning rate").set_value(0.05).run()
    numbers = [*page.number_input, *page.selectbox, *page.radio]
    told = [w.key for w in numbers if w.proto.set_value and w.key.startswith(state.KEEP)]
    assert [] == told
    page.switch_page("views/models.py").run()
    page.switch_page("views/train.py").run()
    assert field(page.number_input, "Learning rate").proto.set_value  # to a browser that has it not
    assert 0.05 == field(page.number_input, "Learning rate").value


def test_two_settings_edited_before_the_page_has_followed_are_both_taken(page):
    """The second request still says the preset that the first edit has ended."""
    before = on_the_screen(page)
    field(page.number_input, "Learning rate").set_value(0.05).run()
    assert "My own settings" == page.selectbox[0].value
    page._tree = before
    field(page.number_input, "Seed").set_value(7).run()
    assert 0.05 == field(page.number_input, "Learning rate").value
    assert 7 == field(page.number_input, "Seed").value
    assert "My own settings" == page.selectbox[0].value
    page.selectbox[0].set_value(page.selectbox[0].options[0]).run()
    assert 0.05 != field(page.number_input, "Learning rate").value


def test_settings_survive_a_page_left_between_two_ticks_of_a_live_run(page):
    field(page.text_input, "Hidden layers").set_value("24, 12").run()
    images_radio(page).set_value("Gently changed").run()
    page.switch_page("views/models.py").run()
    for name in ("hidden", "images"):
        assert f"{state.KEEP}train.{name}" not in page.session_state  # Streamlit has forgotten them
    page.switch_page("views/train.py").run()
    assert "24, 12" == field(page.text_input, "Hidden layers").value
    assert "Gently changed" == images_radio(page).value
    assert "My own settings" == page.selectbox[0].value


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ("12, many", "'many' where there should be one of dense, conv"),
        ("conv 2 9x9, dense 4", "make it smaller"),
        ("9999", "between 1 and 1,024"),
    ],
)
def test_what_cannot_be_trained_is_said_and_cannot_be_started(page, hidden, said):
    field(page.text_input, "Hidden layers").set_value(hidden).run()
    assert said in text(page)
    assert field(page.button, "Start training").disabled


def test_the_word_at_fault_is_marked_beneath_the_layers(page):
    for layers, fault in (("conv 2 3y3, dense 4", "3y3"), ("pool 2, conv 2 9x9", "conv 2 9x9")):
        field(page.text_input, "Hidden layers").set_value(layers).run()
        assert f"<mark>{fault}</mark>" in words(page)


def test_a_preset_with_convolutions_is_drawn_layer_by_layer(page):
    field(page.text_input, "Hidden layers").set_value("conv 2 3x3, norm, pool 2, dense 5").run()
    said = (
        "image: 8 × 8; conv 2 3x3: 2 maps 6 × 6, then norm, 28 parameters; pool 2: 2 maps 3 × 3; "
        "dense 5: 5 units, 95 parameters; classes: 3 classes, 18 parameters"
    )
    assert said in words(page)
    assert "141 parameters. About " in text(page) or "141 parameters. The time" in text(page)


def test_a_run_of_a_network_with_maps_trains_to_its_end(page):
    field(page.text_input, "Hidden layers").set_value("conv 2 3x3, pool 2, dropout 0.1, 5").run()
    field(page.radio, "Each step sees").set_value("Mini-batches").run()
    field(page.radio, "Length").set_value("Epochs").run()
    field(page.number_input, "Epochs").set_value(1).run()
    field(page.button, "Start training").click().run()
    (run,) = state.registry().find(asked(page, "run")).runs
    until(lambda: run.ended)
    page.run()
    assert "finished" == run.state
    assert "conv 2 3x3, pool 2, dropout 0.1, dense 5 → 3" in text(page)


def test_settings_that_few_need_are_folded_away_until_one_of_them_is_used(page):
    fold = next(box for box in page.expander if box.label == "Further settings")
    assert not fold.proto.expanded
    field(page.number_input, "L2 penalty").set_value(0.01).run()
    fold = next(box for box in page.expander if box.label == "Further settings")
    assert fold.proto.expanded


def test_momentum_is_shown_only_where_it_acts(page):
    assert "Momentum" not in [n.label for n in page.number_input]
    field(page.selectbox, "Optimizer").set_value("momentum").run()
    assert "Momentum" in [n.label for n in page.number_input]


def test_an_earlier_run_can_be_laid_over_the_chart_renamed_and_deleted(page):
    pick_quick(page)
    for _ in range(2):
        click(page, "Start training")
        run = the_run(page)
        until(lambda run=run: run.ended)
        page.run()
    field(page.checkbox, "Lay over the chart").check().run()
    first = next(run for run in state.registry().find(run.id).runs)
    field_of_first = next(t for t in page.text_input if t.key.endswith(f"name.{first.id}"))
    field_of_first.set_value("Baseline").run()
    assert "Baseline" == first.name
    assert not page.exception
    page.button(key=f"delete.{first.id}").click().run()
    assert [run] == state.registry().find(run.id).runs
    assert not page.exception


def test_a_refused_start_says_why(page, monkeypatch):
    bounds = state.scheduler().bounds
    monkeypatch.setattr(state.scheduler(), "bounds", type(bounds)(runs_per_visit=1))
    pick_quick(page)
    click(page, "Start training")
    click(page, "Start training")
    assert "delete one first" in page.warning[0].value


# Images while training -------------------------------------------------------------------


def images_radio(at: AppTest):
    return at.radio(key=state.widget("train.images"))


def strips(at: AppTest) -> tuple[list[str], np.ndarray]:
    """Return the captions of the preview, and its rows of images, (rows, 6, 8, 8)."""
    data = component(at, "train.images")
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["sheet"]))))
    (height, width), rows = data["shape"], len(data["captions"])
    grey = sheet[..., 0].reshape(rows, height, width)
    at_x = range(0, width, height + 2)  # a gap of two pixels
    return data["captions"], np.stack([grey[:, :, x : x + height] for x in at_x], axis=1)


def test_images_stay_as_they_are_unless_asked_otherwise(page):
    assert "Images as they are" == images_radio(page).value
    assert "The same images in every epoch." in text(page)


def test_the_preview_shows_training_images_and_the_same_after_each_choice(page, stripes):
    captions, rows = strips(page)
    assert ["Images as they are", "Gently changed", "Strongly changed"] == captions
    known = {image.tobytes() for image in stripes[0][:240]}
    assert all(image.tobytes() in known for image in rows[0])
    assert all(image.tobytes() not in known for image in rows[2])
    off = [np.abs(row.astype(int) - rows[0]).mean() for row in rows]
    assert off[0] < off[1] < off[2]


def test_others_shows_other_images(page):
    before = strips(page)[1]
    click(page, "Others")
    assert not np.array_equal(before[0], strips(page)[1][0])


def test_a_choice_of_images_is_said_and_trained_with(page):
    pick_quick(page)
    images_radio(page).set_value("Strongly changed").run()
    assert "5 epochs, images strongly changed" in text(page)
    assert "Moved by up to 3 px, turned by up to 15°" in text(page)
    click(page, "Start training")
    run = the_run(page)
    until(lambda: run.ended)
    assert STRONG == run.recipe.augmentation
    assert STRONG.as_dict() == run.snapshot.training[-1]["config"]["augmentation"]
    page.run()
    assert "images strongly changed · " in text(page)  # in the list of runs


def test_ones_own_settings_begin_with_the_choice_before_and_are_kept(page):
    images_radio(page).set_value("Gently changed").run()
    images_radio(page).set_value("My own").run()
    assert "images gently changed" in text(page)
    assert ["Images as they are", "My own"] == strips(page)[0]
    turn = page.slider(key=state.widget("train.own.rotation"))
    assert 8 == turn.value
    turn.set_value(30.0).run()
    assert "turned by up to 30°" in text(page)
    images_radio(page).set_value("Images as they are").run()
    assert "turned" not in text(page)
    page.switch_page("views/models.py").run()
    page.switch_page("views/train.py").run()
    images_radio(page).set_value("My own").run()
    assert 30 == page.slider(key=state.widget("train.own.rotation")).value


def test_a_slider_of_ones_own_changes_the_preview_and_nothing_else_does(page):
    images_radio(page).set_value("My own").run()
    _, (before, same) = strips(page)
    np.testing.assert_array_equal(before, same)
    page.slider(key=state.widget("train.own.inversion")).set_value(100.0).run()
    _, (_, inverted) = strips(page)
    np.testing.assert_array_equal(255 - before, inverted)


def test_what_leaves_nothing_of_the_images_cannot_be_started(page):
    images_radio(page).set_value("My own").run()
    page.slider(key=state.widget("train.own.shift")).set_value(8.0).run()
    assert "8x8 pixels moved by up to 8" in text(page)
    assert field(page.button, "Start training").disabled


def test_every_amount_has_a_slider_that_reaches_the_presets_and_remedies():
    assert list(Augmentation.__slots__) == list(AMOUNTS)
    for wanted in (*PRESETS.values(), *(kind.remedy for kind in DISTORTIONS.values())):
        for name, value in wanted.as_dict().items():
            amount = AMOUNTS[name]
            assert value == pytest.approx(amount.shown(value) / amount.worth), name


def test_the_rate_can_fall_along_a_cosine(page):
    pick_quick(page)
    field(page.selectbox, "Rate over the run").set_value("cosine").run()
    assert "Adam at rate 0.001 falling to zero" in text(page)
    assert "My own settings" == field(page.selectbox, "Start from").value
    pick_quick(page)
    assert "falling" not in text(page)
