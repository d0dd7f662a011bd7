"""Review pages in headless Chromium: keys, undo, filters, storage, tables and readers."""

import csv
import io
import os
from pathlib import Path

import pandas as pd
import pytest

from skblood import adapt, audit, review
from skblood._writing import escape_formula
from skblood.datasets import load_csv, read_table
from skblood.evaluation import evaluate
from tests.pages.test_in_browser import CONTRASTS
from tests.reviewing.answering import answer_page, open_page, press_labels, save_table, wait_for
from tests.reviewing.conftest import N_CELLS, read_data

pytestmark = pytest.mark.slow


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def answers(page, reader="first"):
    """Return the answers of a reader by the position of the cell."""
    found = page.evaluate("answers")
    return {i: each[reader] for i, each in enumerate(found) if reader in each}


def current(page):
    return page.evaluate("current")


def said(page):
    return page.locator("#said").inner_text()


class TestKeys:
    def test_each_key_gives_its_class_and_goes_on(self, page):
        classes = page.evaluate("classes")
        assert len(classes) == 8
        press(page, *"12345678")
        assert answers(page) == dict(enumerate(classes))
        assert current(page) == 8
        assert said(page) == f"Labeled cell 8: {classes[7]}. 8 of 24 answered."

    def test_none_of_these(self, page, cells, tmp_path):
        """A label of its own, listed and loaded again, that is no class to the package."""
        paths = page.evaluate("cells.map((cell) => cell.path)")
        press(page, "1", "x")
        assert answers(page)[1] == "none of these" and current(page) == 2
        assert (
            page.locator("#classes button").last.inner_text().split() == "x none of these".split()
        )
        page.locator("#of-class").select_option(label="none of these")
        assert page.evaluate("shown") == [1]
        table = save_table(page, tmp_path)
        assert f"{paths[1]},none of these," in table.read_text("utf-8-sig")
        assert load_csv(table).data.tolist() == [paths[0]]
        page.locator("#of-class").select_option(label="all")
        press(page, "Escape", "Control+a", "Delete")
        page.locator("#load").set_input_files(table)
        page.wait_for_function("answers[1].first === 'none of these'")

    def test_a_key_without_a_class_says_so(self, page):
        press(page, "9")
        assert said(page).startswith("The key 9 has no class.") and answers(page) == {}

    def test_keyboards_on_which_digits_need_shift(self, page):
        event = "new KeyboardEvent('keydown', {key: 'é', code: 'Digit2', bubbles: true})"
        page.evaluate(f"document.body.dispatchEvent({event})")
        assert answers(page) == {0: page.evaluate("classes[1]")}

    def test_a_key_held_down_labels_one_cell(self, page):
        for _ in range(3):
            page.keyboard.down("1")
        page.keyboard.up("1")
        assert list(answers(page)) == [0]
        for _ in range(3):
            page.keyboard.down("ArrowRight")
        assert current(page) == 4

    def test_all_by_tab(self, page):
        """Each control has the focus once, the cells as one of them."""
        reached = []
        for _ in range(30):
            press(page, "Tab")
            reached.append(
                page.evaluate("document.activeElement.id || document.activeElement.role")
            )
        start = ["reader", "of-class", "of-group", "of-state", "select-all", "save", "load"]
        assert [each for each in reached if each][: len(start) + 1] == [*start, "option"]
        assert {"confirm", "clear", "undo", "note"} <= set(reached)

    def test_confirm_and_remove(self, page):
        predicted = page.evaluate("cells.map((cell) => cell.predicted)")
        press(page, "Enter", "Enter")
        assert answers(page) == {0: predicted[0], 1: predicted[1]}
        press(page, "ArrowLeft", "Delete")
        assert answers(page) == {0: predicted[0]}
        assert current(page) == 1  # a cell whose answer is removed is still in turn

    def test_arrows(self, page):
        columns = page.evaluate("columns()")
        assert columns > 3
        press(page, "ArrowRight", "ArrowRight", "ArrowDown")
        assert current(page) == 2 + columns
        assert page.evaluate("document.activeElement === cards[current]")
        press(page, "ArrowUp", "ArrowLeft")
        assert current(page) == 1
        press(page, "End")
        assert current(page) == N_CELLS - 1
        press(page, "ArrowRight", "ArrowDown")
        assert current(page) == N_CELLS - 1
        press(page, "Home", "ArrowUp")
        assert current(page) == 0

    def test_undo(self, page):
        press(page, "1", "2", "u")
        assert answers(page) == {0: page.evaluate("classes[0]")}
        assert current(page) == 1
        press(page, "3", "Control+z", "u")
        assert answers(page) == {}
        press(page, "u")
        assert said(page) == "Nothing to undo. 0 of 24 answered."

    def test_note(self, page):
        press(page, "n")
        page.keyboard.type("12 = a smudge")
        press(page, "Enter")
        assert page.evaluate("answers[0]") == {"note": "12 = a smudge"}
        press(page, "n")
        page.keyboard.type(" and more")
        press(page, "Escape")
        assert page.evaluate("answers[0].note") == "12 = a smudge"
        assert page.locator("#note").input_value() == "12 = a smudge"
        press(page, "u")
        assert page.evaluate("answers[0]") == {}

    def test_keys_in_a_filter_are_its_own(self, page):
        page.locator("#of-state").focus()
        press(page, "1", "Delete", "u")
        assert answers(page) == {}
        press(page, "Escape", "1")
        assert list(answers(page)) == [0]

    def test_more_classes_than_digits(self, fitted, cells, context, tmp_path):
        names = [f"class {i}" for i in range(N_CELLS)]
        out = review(fitted, cells[0], names, out=tmp_path / "many.html")
        page, faults = open_page(context, out)
        classes = page.evaluate("classes")
        assert len(classes) == 8 + N_CELLS
        press_labels(page, dict(zip(cells[0], names, strict=True)))
        assert {cell["given"] for cell in read_data(out)["cells"]} == set(names)
        assert len(answers(page)) == N_CELLS and page.evaluate(
            "cells.every((c, i) => !isChanged(i))"
        )
        assert faults == []


class TestSelection:
    def test_bulk_change_and_its_undo(self, page):
        press(page, "1", "Control+a", "4")
        fourth = page.evaluate("classes[3]")
        assert answers(page) == dict.fromkeys(range(N_CELLS), fourth)
        press(page, "u")
        assert answers(page) == {0: page.evaluate("classes[0]")}

    def test_shift_and_space(self, page):
        press(page, "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
        assert page.evaluate("[...selected]") == [1, 2, 3]
        press(page, "Shift+ArrowLeft", "End", "Space")
        assert page.evaluate("[...selected]") == [1, 2, N_CELLS - 1]
        assert page.locator("#chosen").inner_text() == "Labels go to the 3 selected cells."
        press(page, "2")
        assert list(answers(page)) == [1, 2, N_CELLS - 1]
        assert page.evaluate("selected.size") == 0
        assert page.locator("#chosen").is_hidden()

    def test_escape(self, page):
        press(page, "Control+a", "Escape", "1")
        assert list(answers(page)) == [0]

    def test_mouse(self, page):
        cards = page.locator(".card")
        cards.nth(2).click()
        cards.nth(5).click(modifiers=["Shift"])
        cards.nth(7).click(modifiers=["Control"])
        assert page.evaluate("[...selected]") == [2, 3, 4, 5, 7]
        page.locator("#classes button").nth(2).click()
        assert list(answers(page)) == [2, 3, 4, 5, 7]
        page.get_by_role("button", name="Undo").click()
        assert answers(page) == {}


class TestFilters:
    def test_slide_and_bulk(self, page):
        page.locator("#of-group").select_option(label="B")
        wanted = page.evaluate("cells.flatMap((cell, i) => cell.group === 'B' ? [i] : [])")
        assert len(wanted) == N_CELLS // 3 and page.evaluate("shown") == wanted
        assert page.locator(".card:visible").count() == len(wanted)
        page.get_by_role("button", name="Select all shown").click()
        press(page, "2")
        assert list(answers(page)) == wanted

    def test_slides_that_browsers_show_alike(self, fitted, cells, context, tmp_path):
        names = ["s  1", "s 1", " s 1", "\u202es 1", "s\n1", "s"]
        groups = [names[i % 6] for i in range(N_CELLS)]
        file = review(fitted, cells[0], groups=groups, out=tmp_path / "slides.html")
        page, faults = open_page(context, file)
        for place, name in enumerate(sorted(names)):
            page.locator("#of-group").select_option(index=1 + place)
            shown = page.evaluate("shown.map((i) => cells[i].group)")
            assert shown == [name] * (N_CELLS // 6)
        page.locator("#of-group").select_option(index=0)
        assert len(page.evaluate("shown")) == N_CELLS and faults == []

    def test_a_filter_ends_the_selection(self, page):
        press(page, "Control+a")
        page.locator("#of-group").select_option(label="B")
        assert page.evaluate("selected.size") == 0

    def test_class(self, page):
        press(page, "3", "3")
        name = page.evaluate("classes[2]")
        page.locator("#of-class").select_option(label=name)
        labels = page.evaluate("cells.map((cell, i) => labelOf(i))")
        assert page.evaluate("shown") == [i for i, each in enumerate(labels) if each == name]

    def test_state(self, page):
        predicted = page.evaluate("classes.indexOf(cells[0].predicted)")
        press(page, "Enter", str(1 + (predicted + 1) % 8))
        state = page.locator("#of-state")
        changed = 1 if page.evaluate("isChanged(1)") else None
        for name, wanted in {
            "answered": [0, 1],
            "without an answer": [*range(2, N_CELLS)],
            "changed": [] if changed is None else [1],
        }.items():
            state.select_option(label=name)
            assert page.evaluate("shown") == wanted

    def test_changed_cells_stay_until_the_filter_is_chosen_again(self, page):
        page.locator("#of-state").select_option(label="without an answer")
        press(page, "Escape", "1", "2")
        assert len(page.evaluate("shown")) == N_CELLS
        page.locator("#of-state").select_option(label="all")
        page.locator("#of-state").select_option(label="without an answer")
        assert page.evaluate("shown") == [*range(2, N_CELLS)]

    def test_no_cell_passes(self, page):
        page.locator("#of-state").select_option(label="answered")
        assert said(page) == "0 cells are shown. 0 of 24 answered."
        press(page, "Escape", "1", "ArrowRight", "Enter", "Control+a", "2", "u")
        assert answers(page) == {}


class TestStorage:
    def test_answers_survive_a_reload(self, page):
        press(page, "1", "2", "n")
        page.keyboard.type("a note")
        press(page, "Enter")
        page.locator("#reader").select_option("second")
        before = page.evaluate("answers")
        page.reload()
        assert page.evaluate("answers") == before
        assert page.evaluate("reader") == page.locator("#reader").input_value() == "second"

    def test_two_pages_do_not_mix(self, page, context, fitted, cells, page_file, tmp_path):
        press(page, "1")
        other = review(fitted, cells[0], out=tmp_path / "other.html")
        assert read_data(other)["id"] != read_data(page_file)["id"]
        second, faults = open_page(context, other)
        assert answers(second) == {} and faults == []

    def test_a_page_made_anew_goes_on(self, page, context, fitted, cells, page_file):
        press(page, "1", "2")
        first = {page.evaluate("cells.map((c) => c.path)")[i]: x for i, x in answers(page).items()}
        review(fitted, cells[0], order="neighbors", out=page_file.with_name("again.html"))
        text = page_file.with_name("again.html").read_text("utf-8")
        identifier = read_data(page_file)["id"]
        again = page_file.with_name("again.html")
        again.write_text(text.replace(read_data(text)["id"], identifier), "utf-8")
        second, faults = open_page(context, again)
        paths = second.evaluate("cells.map((c) => c.path)")
        assert {paths[i]: x for i, x in answers(second).items()} == first and faults == []

    def test_two_windows_of_a_page(self, page, context, page_file):
        second, faults = open_page(context, page_file)
        press(page, "1")
        wait_for(second, "answers[0].first")
        press(second, "ArrowRight", "2")
        wait_for(page, "answers[1].first")
        assert len(answers(page)) == 2 and faults == []

    def test_a_note_is_typed_while_another_window_answers(self, page, context, page_file):
        """It stays, and goes to its cell; so does the selection, whatever the filter."""
        page.locator("#of-state").select_option(label="without an answer")
        press(page, "Escape", "ArrowRight", "Space", "ArrowLeft", "n")
        page.keyboard.type("half ")
        second, faults = open_page(context, page_file)
        press(second, "1", "2")
        wait_for(page, "answers[1].first")
        page.keyboard.type("a note")
        page.evaluate("moveTo(2)")
        notes = page.evaluate("answers.map((each) => each.note)")
        assert {i: note for i, note in enumerate(notes) if note} == {0: "half a note"}
        assert page.evaluate("[...selected]") == [1]
        assert len(answers(page)) == 2 and faults == []

    def test_a_browser_that_keeps_nothing(self, context, page_file):
        context.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); };")
        page, faults = open_page(context, page_file)
        assert page.locator("#unkept").is_hidden()
        press(page, "1")
        assert page.locator("#unkept").is_visible()
        assert len(answers(page)) == 1 and faults == []


class TestTable:
    def test_it_goes_into_the_package(self, page, cells, fitted, tmp_path):
        paths, labels, _ = cells
        press_labels(page, dict(zip(paths[:20], labels[:20], strict=True)))
        table = save_table(page, tmp_path)
        saved = load_csv(table, group_column="slide")
        assert dict(zip(saved.data, saved.target, strict=True)) == dict(
            zip(paths[:20], labels[:20], strict=True)
        )
        assert set(saved.groups) == {"A", "B", "C"}
        adapted = adapt(fitted, saved.data, saved.target, random_state=0)
        report = evaluate(adapted, saved.data, saved.target, groups=saved.groups)
        assert report.n_images == 20
        assert str(audit(saved.data, saved.target, groups=saved.groups)).startswith("20 images")

    def test_columns(self, page, tmp_path):
        press(page, "1", "n")
        page.keyboard.type('=HYPERLINK("x"), "quoted"; end')
        press(page, "Enter", "2")
        page.locator("#reader").select_option("second")
        press(page, "Escape", "3")
        table = save_table(page, tmp_path)
        assert table.read_bytes().startswith(b"\xef\xbb\xbfpath,")  # as Excel needs it
        table = table.read_text("utf-8-sig").splitlines()
        assert table[0] == (
            "path,label,slide,given_label,predicted,first_reader,second_reader,consensus,note"
        )
        assert len(table) == 4
        assert table[2].endswith(""","'=HYPERLINK(""x""), ""quoted""; end\"""")

    def test_columns_of_the_table_under_review(self, fitted, cells, context, tmp_path):
        paths, _, slides = cells
        columns = pd.DataFrame({"patient": range(N_CELLS), "note": "=1", "a,b": None})
        out = review(fitted, paths, groups=slides, columns=columns, out=tmp_path / "page.html")
        page, faults = open_page(context, out)
        press(page, "1", "2")
        saved = load_csv(save_table(page, tmp_path), group_column="patient")
        shown = page.evaluate("cells.map((cell) => cell.path)")
        assert saved.groups.tolist() == [paths.index(shown[0]), paths.index(shown[1])]
        assert [*saved.frame][-4:] == ["note", "patient", "given_note", "a,b"]
        assert saved.frame["given_note"].tolist() == ["'=1", "'=1"] and faults == []

    def test_a_path_that_is_no_utf_8(self, fitted, cells, context, tmp_path):
        odd = os.fsdecode(bytes(tmp_path) + b"/caf\xe9 \xf0\x9f\xa9\xb8.png")
        Path(odd).write_bytes(Path(cells[0][0]).read_bytes())
        page, faults = open_page(context, review(fitted, [odd], out=tmp_path / "page.html"))
        press(page, "2")
        table = save_table(page, tmp_path)
        assert load_csv(table).data.tolist() == [odd]
        press(page, "Delete")
        page.locator("#load").set_input_files(table)
        wait_for(page, "answers[0].first")
        assert faults == []

    def test_texts_are_written_as_python_reads_them(self, page):
        """And read as they were written."""
        texts = ["a", "=1", "'=1", "''+1", "'a", "-", "@x", "\uff1dx", 'say "a"', "a,b;c|d\te"]
        texts += ["", " a ", "two\nlines", "\r", "דם", "\U0001fa78"]
        written = page.evaluate("(texts) => writeTable([texts, texts])", texts)
        rows = list(csv.reader(io.StringIO(written, newline="")))
        assert rows == [[escape_formula(text) for text in texts]] * 2
        assert page.evaluate("(text) => parseTable(text)", written) == [texts, texts]

    def test_nothing_to_save(self, page):
        page.get_by_role("button", name="Save corrections.csv").click()
        assert said(page).startswith("There is no answer to save.")

    def test_it_is_loaded_elsewhere(self, page, browser, page_file, tmp_path):
        press(page, "1", "n")
        page.keyboard.type('=1, "2"')
        press(page, "Enter", "2")
        page.locator("#reader").select_option("second")
        press(page, "Escape", "Home", "3")
        page.locator("#reader").select_option("consensus")
        press(page, "Escape", "4")
        before, table = page.evaluate("answers"), save_table(page, tmp_path)
        second, faults = open_page(browser.new_context(), page_file)
        second.locator("#load").set_input_files(table)
        wait_for(second, "steps.length")
        assert second.evaluate("answers") == before
        assert said(second).startswith("Loaded the answers of 2 cells.")
        press(second, "u")
        assert answers(second) == {} and faults == []

    def test_a_table_of_a_spreadsheet(self, page, tmp_path):
        path, name = page.evaluate("cells[3].path"), page.evaluate("classes[5]")
        table = tmp_path / "mine.csv"
        table.write_text(f"label;path\r\n{name};{path}\r\n{name};/no/such.png\r\nx;{path}\r\n")
        page.locator("#load").set_input_files(table)
        wait_for(page, "steps.length")
        assert answers(page) == {3: name}
        assert "2 rows are of other cells or classes" in said(page)

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_labels_that_a_spreadsheet_has_changed(self, page, tmp_path, end):
        """They go before those of readers, as in other commands; a removed one is no answer."""
        paths, names = page.evaluate("cells.map((cell) => cell.path)"), page.evaluate("classes")
        rows = [  # label, first reader, second reader, consensus; and what the page makes of them
            ((1, 0, "", ""), (1, "", "")),
            ((1, "", 0, ""), ("", 1, "")),
            ((2, 0, 1, ""), (0, 1, 2)),
            ((2, 0, 1, 0), (0, 1, 2)),
            (("", 0, 1, ""), ("", "", "")),
            ((1, "", "", ""), (1, "", "")),
            ((0, 0, 1, ""), (0, 1, "")),
        ]

        def name(codes):
            return ["" if code == "" else names[code] for code in codes]

        lines = ["path,label,first_reader,second_reader,consensus"]
        lines += [",".join([path, *name(row)]) for path, (row, _) in zip(paths, rows, strict=False)]
        table = tmp_path / "corrections.csv"
        table.write_text(end.join(lines) + end, newline="")
        page.locator("#load").set_input_files(table)
        wait_for(page, "steps.length")
        found = page.evaluate(
            "answers.map(({first, second, consensus}) => [first, second, consensus])"
        )
        expected = [name(made) for _, made in rows]
        assert [[each or "" for each in row] for row in found[: len(rows)]] == expected
        assert "5 labels differ from the readers' and go first" in said(page)
        saved = read_table(save_table(page, tmp_path), ["path"])
        assert dict(zip(saved["path"], saved["label"], strict=True)) == {
            path: names[row[0]] for path, (row, _) in zip(paths, rows, strict=False) if row[0] != ""
        }

    @pytest.mark.parametrize("text", ["a,b\n1,2\n", "", 'path,label\n"x,y\n'])
    def test_what_is_no_table(self, page, tmp_path, text):
        table = tmp_path / "none.csv"
        table.write_text(text)
        page.locator("#load").set_input_files(table)
        wait_for(page, "byId('said').textContent.includes('cannot be read')")
        assert page.evaluate("steps.length") == 0


def test_readers_do_not_see_each_other(page, tmp_path):
    press(page, "1", "2")
    page.locator("#reader").select_option("second")
    assert page.locator(".card.decided").count() == 0
    assert "differ" not in page.locator("#of-state option:enabled").evaluate_all(
        "all => all.map((each) => each.value)"
    )
    press(page, "Escape", "Home", "1", "3")
    assert page.locator("#facts").inner_text().count("First") == 0
    page.locator("#reader").select_option("consensus")
    page.locator("#of-state").select_option(label="readers differ")
    assert page.evaluate("shown") == [1]
    assert "First: " in page.locator("#facts").inner_text()
    press(page, "Escape", "4")
    saved = load_csv(save_table(page, tmp_path)).frame
    names = page.evaluate("classes")
    assert page.evaluate("answerOf(1)") == names[3]
    columns = ["label", "first_reader", "second_reader"]
    assert saved[columns].values.tolist() == [
        [names[0], names[0], names[0]],
        [names[3], names[1], names[2]],
    ]
    assert saved["consensus"][1] == names[3]
    page.locator("#reader").select_option("first")
    assert len(page.evaluate("shown")) == N_CELLS  # not those on which they differ


def test_a_blind_page(fitted, cells, context, tmp_path):
    """Labels can be given, and nothing is shown that could sway a reader."""
    paths, labels, slides = cells
    page_file = review(fitted, paths, labels, groups=slides, blind=True, out=tmp_path / "b.html")
    page, faults = open_page(context, page_file)
    assert "%" not in page.locator(".review").inner_text()
    assert ".png" not in page.locator(".review").inner_html().replace("image/png", "")
    assert page.locator(".card").first.inner_text().strip() == "?"
    assert page.locator(".card").first.get_attribute("aria-label") == "Cell 1: no answer"
    press(page, "Enter")
    assert said(page).startswith("There is no label to confirm.") and answers(page) == {}
    press(page, "2", "Control+a", "3")
    assert page.locator(".card.changed").count() == 0
    page.locator("#reader").select_option("second")
    assert page.locator(".card.decided").count() == 0
    saved = load_csv(save_table(page, tmp_path)).frame
    assert set(saved["label"]) == {page.evaluate("classes[2]")}
    assert saved[["given_label", "predicted"]].isna().all(axis=None) and faults == []


def test_answers_by_the_helper(browser, page_file, cells, tmp_path):
    paths, labels, _ = cells
    table = answer_page(browser, page_file, {paths[3]: labels[3], paths[5]: labels[5]}, tmp_path)
    assert set(load_csv(table).data) == {paths[3], paths[5]}


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_window(context, page_file, width):
    page, faults = open_page(context, page_file)
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    press(page, "1", "Enter", "n")
    page.keyboard.type("a note")
    press(page, "Enter", "Shift+ArrowRight")
    page.locator("summary").click()
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert [each for each in contrasts if each[0] < 4.5] == []
    page.locator("summary").click()
    press(page, "Escape", "End", "1")
    box = page.locator(".card.current").bounding_box()
    panel = page.locator(".panel").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= (panel["y"] if width == 390 else 844) + 1
    assert faults == []


def test_pictures(context, page_file):
    """Those near the window have a source; the others get theirs when they come near."""
    page, faults = open_page(context, page_file)
    page.set_viewport_size({"width": 390, "height": 300})
    page.reload()
    wait_for(page, "cards[0].firstChild.naturalWidth")
    assert page.evaluate("cards.at(-1).firstChild.hasAttribute('src')") is False
    press(page, "End")
    wait_for(page, "cards.at(-1).firstChild.naturalWidth")
    wait_for(page, "[...document.querySelectorAll('aside img')].every((i) => i.naturalWidth)")
    similar = page.evaluate("cells.at(-1).alike.map((each) => each.label)")
    assert page.locator("#alike bdi").all_inner_texts() == similar and len(similar) == 3
    assert faults == []


def test_names_are_text(fitted, cells, context, tmp_path):
    """Names that a browser or a spreadsheet would obey."""
    odd = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", "\"'=1", "דם"]
    odd += ["=1+1", "'@sum", "a;b, c"]
    names = [*odd, *cells[1][7:]]
    out = tmp_path / "a'<b>.html"
    groups = [f"{name}&" for name in names]
    page, faults = open_page(context, review(fitted, cells[0], names, groups=groups, out=out))
    given = page.evaluate("cells.map((cell) => cell.given)")
    press(page, "Control+a", "Enter")
    assert [*answers(page).values()] == given and set(odd) < set(given)
    assert page.locator("img[src=x]").count() == 0
    assert page.locator(".card bdi").first.inner_text() == given[0]
    saved = load_csv(save_table(page, tmp_path), group_column="group")
    assert dict(zip(saved.data, saved.target, strict=True)) == dict(
        zip(cells[0], names, strict=True)
    )
    assert set(saved.groups) == set(groups) and faults == []


def test_screen_readers(page):
    press(page, "1")
    tree = page.locator("#grid").aria_snapshot()
    assert 'listbox "Cells"' in tree and 'option "Cell 1: ' in tree
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, select, input, progress, [role]")]
        .filter((each) => !each.hidden && !(each.labels?.length || each.textContent.trim()
          || each.ariaLabel || each.role === "status")).map((each) => each.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator("[role=option][tabindex='0']").count() == 1
