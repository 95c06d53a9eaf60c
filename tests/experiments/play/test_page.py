"""The page as a visitor has it: dragged, typed into, looked at."""

import re

import pytest

from datasets.clevr.play import facts
from experiments.play.command import RUNS
from tests.experiments.play.looking import SET_SCENE, STATE

BALL = {"size": "large", "color": "red", "material": "rubber"}
#: Three objects far from each other, along all directions.
THREE = [
    {**BALL, "shape": "sphere", "rotation": 0, "x": -2.4, "y": -1.5},
    {**BALL, "shape": "cube", "rotation": 1, "x": 2, "y": 2, "size": "small"},
    {
        **{**BALL, "color": "cyan", "material": "metal"},
        **{"shape": "cylinder", "rotation": 0, "x": 0.5, "y": -2},
    },
]

#: Three objects of three colours and shapes.
ALONE = [
    {**item, "color": color}
    for item, color in zip(THREE, ("red", "gray", "blue"), strict=True)
]


@pytest.fixture
def page(loaded):
    """The page with three objects and no question."""
    loaded.evaluate(SET_SCENE, THREE)
    loaded.evaluate("() => { app.number = 0; app.hint(''); }")
    loaded.fill("#question", "")
    loaded.evaluate(STATE)
    return loaded


def objects(page):
    return page.evaluate(STATE)["objects"]


def scores(page, model=0):
    return page.evaluate(STATE)["replies"][model]["scores"]


def place_of(page, number):
    """Where an object is seen in the window."""
    return page.evaluate(
        """(number) => {
          app.waiting = true;
          app.flush();
          const { x, y } = app.stage.places[number];
          const frame = app.stage.element.getBoundingClientRect();
          return [frame.left + x * frame.width / 480,
                  frame.top + y * frame.height / 320];
        }""",
        number,
    )


def drag(page, number, dx, dy, steps=4):
    x, y = place_of(page, number)
    # Not by its middle: it stays where it is under the pointer.
    page.mouse.move(x + 6, y - 5)
    page.mouse.down()
    page.mouse.move(x + 6 + dx, y - 5 + dy, steps=steps)
    page.mouse.up()
    return x + dx, y + dy


def ask(page, text):
    page.fill("#question", text)
    page.evaluate(STATE)


def text_of(page, selector):
    """What is read there, once the page shows its last change."""
    page.evaluate("() => window.app?.flush()")
    return page.inner_text(selector)


def test_an_object_follows_the_pointer(page):
    ask(page, "How many things are left of the cyan thing?")
    before, was = objects(page), scores(page)
    assert text_of(page, "#truth") == "1"
    x, y = drag(page, 0, 280, -30)
    now = objects(page)
    assert now[1:] == before[1:]
    assert now[0]["place"] != before[0]["place"]
    assert text_of(page, "#hint") == ""
    assert place_of(page, 0) == pytest.approx((x, y), abs=1.5)
    assert max(abs(a - b) for a, b in zip(was, scores(page), strict=True)) > 1
    assert text_of(page, "#truth") == "0"
    assert text_of(page, "#says") == page.evaluate(
        "() => app.task.answers[app.replies[0].best]"
    )
    assert text_of(page, "#chosen") == "large red rubber sphere"


def test_objects_do_not_overlap_and_stay_on_the_floor(page):
    target, start = place_of(page, 2), place_of(page, 0)
    drag(page, 0, target[0] - start[0], target[1] - start[1], steps=12)
    (x, y, half), _, (x2, y2, half2) = (o["place"] for o in objects(page))
    gap = ((x - x2) ** 2 + (y - y2) ** 2) ** 0.5 - half - half2
    assert gap == pytest.approx(0.25, abs=1e-3)
    drag(page, 0, 0, -800)
    x, y, _ = objects(page)[0]["place"]
    assert max(abs(x), abs(y)) == pytest.approx(3)
    # Into it with the keys: it says what is in the way.
    page.evaluate(SET_SCENE, THREE)
    page.evaluate(STATE)
    page.evaluate(
        "() => app.move(app.scene.objects[0], app.scene.objects[2].x + 0.01,"
        " app.scene.objects[2].y)"
    )
    assert "It stops at the large cyan metal cylinder" in text_of(page, "#hint")


def test_the_keyboard_alone(page):
    ask(page, "What color is the metal thing?")
    assert text_of(page, "#truth") == "cyan"
    # Out of the scene and back again, Tab comes to the first object.
    page.focus(".handle >> nth=0")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    label = page.evaluate(
        "() => document.activeElement.getAttribute('aria-label')"
    )
    assert label.startswith("large red rubber sphere, ")
    before = objects(page)[0]["place"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    now = objects(page)[0]["place"]
    vectors = facts("onehot")["directions"]
    for k in (0, 1):
        moved = 0.2 * vectors["right"][k] + 0.5 * vectors["front"][k]
        assert now[k] - before[k] == pytest.approx(moved, abs=1e-6)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert text_of(page, "#chosen") == "large cyan metal cylinder"
    # Three are the fewest: a fourth one has to come first.
    page.keyboard.press("Delete")
    assert "scenes of 3 objects or more" in text_of(page, "#hint")
    page.focus("#add")
    page.keyboard.press("Enter")
    assert len(objects(page)) == 4
    focused = "() => document.activeElement.classList.contains('handle')"
    assert page.evaluate(focused)
    page.keyboard.press("Delete")
    assert len(objects(page)) == 3
    assert page.evaluate(focused)


def test_an_object_is_changed(page):
    ask(page, "How many large red rubber spheres are there?")
    assert text_of(page, "#truth") == "1"
    page.focus(".handle >> nth=0")
    was = scores(page)
    for value in ("blue", "metal", "cube", "small"):
        page.click(f"#editor label:has-text('{value}')")
    assert text_of(page, "#chosen") == "small blue metal cube"
    item = objects(page)[0]
    assert item["place"][2] == pytest.approx(0.35)
    assert scores(page) != was
    assert text_of(page, "#truth") == "0"
    page.click("[data-move=left]")
    assert objects(page)[0]["place"] != item["place"]


def test_too_many_objects(page):
    for _ in range(12):
        page.click("#add")
    assert 3 < len(objects(page)) <= 10
    hint = text_of(page, "#hint")
    assert "up to 10 objects" in hint or "no room left" in hint


def test_words_are_completed(page):
    page.click("#question")
    page.keyboard.type("What co")
    assert page.locator("#words [role=option]").all_inner_texts() == ["color"]
    page.keyboard.press("ArrowDown")
    chosen = page.get_attribute("#question", "aria-activedescendant")
    assert text_of(page, f"#{chosen}") == "color"
    page.keyboard.press("Enter")
    assert page.input_value("#question") == "What color "
    page.click("#words [role=option]:has-text('is')")
    page.keyboard.type("the c")
    words = page.locator("#words [role=option]").all_inner_texts()
    assert len(words) > 3
    assert all(word.startswith("c") for word in words)
    page.keyboard.type("y")
    words = page.locator("#words [role=option]").all_inner_texts()
    assert set(words) == {"cyan", "cylinder", "cylinders"}
    page.keyboard.type("linder?")
    assert page.input_value("#question") == "What color is the cylinder?"
    assert text_of(page, "#truth") == "cyan"
    assert text_of(page, "#says") == "cyan"


def test_questions_that_cannot_be_read(page):
    ask(page, "What color is the cylindre?")
    reading = text_of(page, "#reading")
    assert "“cylindre” is none of them" in reading
    assert "Did you mean “cylinder”?" in reading
    assert page.get_attribute("#question", "aria-invalid") == "true"
    ask(page, "Is there a reddish ball?")
    assert "Did you mean “red”?" in text_of(page, "#reading")
    # A word that is being typed is no mistake yet.
    ask(page, "Is there a cyl")
    assert text_of(page, "#reading") == ""
    assert page.get_attribute("#question", "aria-invalid") == "false"
    ask(page, "Is there a cylindre")
    assert "“cylindre” is none of them" in text_of(page, "#reading")
    assert text_of(page, "#says") == "–"
    assert page.locator(".pair").count() == 0
    ask(page, "cube the what")
    assert "No question of CLEVR reads like this" in text_of(page, "#reading")
    assert text_of(page, "#truth") == "–"
    assert text_of(page, "#says") != "–"
    ask(page, "What shape is the large thing?")
    assert "one large thing, but there are 2" in text_of(page, "#reading")
    ask(page, "What size is the green ball?")
    assert "one green sphere, but there is none" in text_of(page, "#reading")
    # What is meant well is understood.
    ask(page, "what colour is the metal thing")
    assert text_of(page, "#truth") == "cyan"
    ask(page, "?")
    assert "Type a question" in text_of(page, "#reading")


def test_a_kind_of_question_is_asked(page):
    # Every family, and any of them.
    assert page.locator("#kind option").count() == 91
    page.click("#new-scene")
    for family, answers in ((84, range(11)), (73, ("yes", "no"))):
        page.select_option("#kind", str(family))
        page.evaluate(STATE)
        assert page.input_value("#question") != ""
        assert text_of(page, "#truth") in map(str, answers)
    # Among three objects, none is of the same size, shape, … as another.
    page.evaluate(SET_SCENE, ALONE)
    page.fill("#question", "")
    page.select_option("#kind", "63")
    page.evaluate(STATE)
    assert "No question of this kind fits" in text_of(page, "#hint")
    assert page.input_value("#question") == ""
    page.select_option("#kind", "")
    page.click("#another")
    assert len(page.input_value("#question")) > 8


def test_networks_are_switched(page):
    ask(page, "How many things are the same shape as the cyan thing?")
    ask(page, "How many things are left of the cyan thing?")
    names = page.locator("#models .name").all_inner_texts()
    assert len(names) == len(RUNS) == 4
    says = page.locator("#models .says").all_inner_texts()
    for number, name in enumerate(names):
        page.click(f"#models label >> nth={number}")
        reply = page.evaluate(STATE)["replies"][number]
        assert text_of(page, "#who") == f"{name} says"
        assert says[number].split()[0] == text_of(page, "#says")
        likely = page.locator("#likeliest .word").all_inner_texts()
        order = sorted(range(28), key=lambda i: -reply["scores"][i])
        answers = facts("onehot")["answers"]
        assert likely == [answers[i] for i in order[:5]]
        arrows = page.locator(".pair").count()
        if reply["pairs"] is None:
            assert arrows == 0
            assert "has no g" in text_of(page, "#pairs-note")
            continue
        kept = {"RN, all pairs": 9, "RN, distilled pairs (20 %)": 2}[name]
        assert len(reply["pairs"]) == kept
        assert f"{kept} of 9 pairs" in text_of(page, "#pairs-note")
        weights = [w for w in reply["contributions"] if w > 0]
        seen = [w for w in weights if w >= 0.04 * max(weights)]
        assert arrows == len(seen)
        shown = page.evaluate(
            "() => [...document.querySelectorAll('.pair')]"
            ".map((pair) => Number(pair.getAttribute('opacity')))"
        )
        expected = sorted(0.1 + 0.85 * w / max(weights) for w in seen)
        assert shown == pytest.approx(expected, abs=1e-3)
        best = max(reply["contributions"])
        assert text_of(page, "#pairs .share >> nth=0") == f"+{best:.2f}"


def test_a_screen_reader_is_told(page):
    ask(page, "What color is the metal thing?")
    page.wait_for_function(
        "() => document.getElementById('spoken').textContent.includes('cyan')"
    )
    spoken = text_of(page, "#spoken")
    assert re.fullmatch(r"RN, all pairs says \w+\. True answer: cyan\.", spoken)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
            'button, select, input, textarea, [role]')]
          .filter((element) => !(element.labels?.length
            || element.getAttribute('aria-label')
            || element.textContent.trim()
            || element.getAttribute('role') === 'status'))
          .map((element) => element.outerHTML)"""
    )
    assert nameless == []


def test_widths_and_colours(page, tmp_path):
    """Pictures of both, in the folder that the test names."""
    ask(page, "How many things are left of the cyan thing?")
    try:
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 1000})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                looked_at(page, tmp_path, width, scheme)
    finally:
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.emulate_media(color_scheme="light")


def looked_at(page, folder, width, scheme):
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = max(map(int, re.findall(r"\d+", paper)))
    assert (lightness > 200) == (scheme == "light")
    picture = folder / f"{width}-{scheme}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 20_000
    print(picture)
    # Below each other or side by side: an object is dragged either way.
    before = objects(page)
    drag(page, 0, width / 20, 0)
    assert objects(page) != before


def test_weights_that_are_not_there(open_page):
    page = open_page(broken="**/weights/**")
    page.wait_for_function(
        "() => document.getElementById('hint').textContent.length > 10"
    )
    hint = text_of(page, "#hint")
    assert "weights/0-rn.safetensors could not be loaded (status 404)" in hint
    page = open_page(broken="**/page.json")
    page.wait_for_function(
        "() => document.getElementById('loading').textContent"
        ".includes('cannot begin')"
    )
    assert "page.json" in text_of(page, "#loading")


def test_opened_as_a_file(open_page, page_folder):
    """Browsers refuse modules there: the page says what to do."""
    page = open_page((page_folder / "index.html").as_uri())
    assert "python -m experiments play" in text_of(page, "#loading")
    assert not page.is_visible("#page")
