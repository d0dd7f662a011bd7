"""`skblood.review`: which cells, in which order, and what the page holds of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skblood import TransferCellClassifier, query, review
from skblood.datasets import load_csv
from tests.reviewing.conftest import N_CELLS, read_data


def paths_of(page):
    return [cell["path"] for cell in read_data(page)["cells"]]


class TestOrder:
    def test_doubt_of_predictions(self, fitted, cells):
        paths, *_ = cells
        highest = np.sort(fitted.predict_proba(paths), axis=1)
        order = np.argsort(highest[:, -1] - highest[:, -2], kind="stable")
        assert paths_of(review(fitted, paths)) == [paths[i] for i in order]

    def test_doubt_of_labels(self, fitted, cells):
        """Two surely wrong labels and a class that the model does not know come first."""
        paths, *_ = cells
        probabilities = fitted.predict_proba(paths)
        labels = fitted.predict(paths).astype(object)
        labels[[3, 7]] = fitted.classes_[probabilities.argmin(axis=1)][[3, 7]]
        labels[11] = "blast"
        data = read_data(review(fitted, paths, labels))
        assert {cell["path"] for cell in data["cells"][:3]} == {paths[i] for i in (3, 7, 11)}
        assert data["classes"] == [*fitted.classes_, "blast"]
        assert [cell["given"] for cell in data["cells"]].count("blast") == 1

    def test_neighbors(self, fitted, cells, training):
        """Labels that all of the reference contradict come first."""
        paths, *_ = cells
        X, _ = training
        labels = np.full(N_CELLS, "monocyte")
        labels[[2, 9]] = "platelet"
        reference = (X, np.full(len(X), "monocyte"))
        page = review(fitted, paths, labels, order="neighbors", reference=reference)
        assert set(paths_of(page)[:2]) == {paths[2], paths[9]}

    def test_neighbors_without_a_reference(self, fitted, cells):
        paths, *_ = cells
        labels = np.full(N_CELLS, "monocyte")
        labels[5] = "platelet"
        page = review(fitted, paths, labels, order="neighbors")
        assert paths_of(page)[0] == paths[5]
        for cell in read_data(page)["cells"]:
            assert len(cell["alike"]) == 3
            assert all(each["similarity"] <= "1.00" for each in cell["alike"])

    def test_query(self, fitted, cells):
        paths, labels, _ = cells
        chosen = query(fitted, paths, 6, random_state=0).indices
        options = {"order": "query", "max_cells": 6, "random_state": 0}
        assert paths_of(review(fitted, paths, **options)) == [paths[i] for i in chosen]
        assert paths_of(review(fitted, paths, labels, **options)) == [paths[i] for i in chosen]

    def test_query_leaves_out_what_has_a_label(self, fitted, cells):
        paths, labels, _ = cells
        known = [label if i % 2 else None for i, label in enumerate(labels)]
        page = review(fitted, paths, known, order="query")
        assert set(paths_of(page)) == set(paths[::2])

    def test_given_and_random(self, fitted, cells):
        paths, *_ = cells
        assert paths_of(review(fitted, paths[::-1], order="given")) == paths[::-1]
        options = {"order": "random", "random_state": 0}
        found = paths_of(review(fitted, paths, **options))
        assert found == paths_of(review(fitted, paths, **options))
        assert found != paths and sorted(found) == paths

    def test_only_the_first_cells(self, fitted, cells):
        page = review(fitted, cells[0], max_cells=5)
        assert paths_of(page) == paths_of(review(fitted, cells[0]))[:5]
        assert f"The first of {N_CELLS} cells" in page and "Review of 5 cells" in page


class TestContent:
    def test_cells(self, fitted, cells):
        paths, labels, slides = cells
        labels = labels.astype(object)
        labels[[0, 1, 2]] = [None, np.nan, ""]
        probabilities = fitted.predict_proba(paths)
        data = read_data(review(fitted, paths, labels, groups=slides))
        assert data["groups"] == "slide"
        for cell in data["cells"]:
            i = paths.index(cell["path"])
            assert cell["given"] == ("" if i < 3 else labels[i])
            assert cell["group"] == slides[i]
            assert cell["predicted"] == fitted.classes_[probabilities[i].argmax()]
            name, percent = cell["probable"][0]
            assert name == cell["predicted"]
            assert percent == pytest.approx(100 * probabilities[i].max(), abs=0.06)

    def test_a_blind_page_knows_nothing_of_labels(self, fitted, cells):
        paths, labels, _ = cells
        data = read_data(review(fitted, paths, labels, blind=True, random_state=0))
        shown = [cell["path"] for cell in data["cells"]]
        assert shown != paths and sorted(shown) == paths
        for cell in data["cells"]:
            assert (cell["given"], cell["predicted"], cell["probable"]) == ("", "", [])

    def test_similar_cells_are_those_of_the_reference(self, fitted, cells, training, tmp_path):
        """A copy of a training cell is its own first neighbor."""
        from PIL import Image

        X, y = training
        paths = [str(tmp_path / f"{i}.png") for i in range(3)]
        for path, image in zip(paths, X[:3], strict=True):
            Image.fromarray(image).save(path)
        data = read_data(review(fitted, paths, reference=training))
        for cell in data["cells"]:
            first = cell["alike"][0]
            assert first["similarity"] == "1.00"
            assert first["label"] == y[paths.index(cell["path"])]

    @pytest.mark.parametrize("order", ["doubt", "neighbors"])
    def test_a_cell_is_not_its_own_neighbor(self, fitted, cells, order):
        """Whatever its path in the reference."""
        paths, labels, _ = cells
        known = [os.path.relpath(path) for path in paths[:12]], [*map(str, range(12))]
        data = read_data(review(fitted, paths[:14], labels[:14], reference=known, order=order))
        for cell in data["cells"]:
            assert len(cell["alike"]) == 3
            own = paths.index(cell["path"])
            assert str(own) not in [each["label"] for each in cell["alike"]]
        one = read_data(review(fitted, paths[:1], reference=(paths[:2], labels[:2])))
        assert [each["label"] for each in one["cells"][0]["alike"]] == [labels[1]]
        with pytest.raises(ValueError, match="no other cell"):
            review(fitted, paths[:1], reference=(paths[:1], labels[:1]))

    def test_integer_labels(self, training, cells):
        X, y = training
        codes = np.unique(y, return_inverse=True)[1]
        model = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(X, codes)
        data = read_data(review(model, cells[0], ["3"] * N_CELLS))
        assert data["classes"] == [*"01234567"]

    def test_pictures(self, fitted, cells, training):
        """Each is there once: of the cells, and of those that are similar to any."""
        page = review(fitted, cells[0], reference=training)
        used = {each["picture"] for cell in read_data(page)["cells"] for each in cell["alike"]}
        assert page.count('<script type="text/plain"') == N_CELLS + len(used)
        assert max(used) == N_CELLS + len(used) - 1 and min(used) == N_CELLS

    def test_nothing_from_elsewhere(self, fitted, cells):
        page = review(fitted, cells[0])
        assert "http:" not in page and "https:" not in page
        assert " src=" not in page and "Content-Security-Policy" in page


class TestPaths:
    def test_absolute(self, fitted, cells, monkeypatch):
        paths, *_ = cells
        monkeypatch.chdir(Path(paths[0]).parent)
        assert set(paths_of(review(fitted, [os.path.basename(path) for path in paths]))) == set(
            paths
        )

    def test_relative_to_root(self, fitted, cells, tmp_path):
        paths, *_ = cells
        folder = Path(paths[0]).parent
        page = review(fitted, paths, root=folder.parent)
        assert set(paths_of(page)) == {f"{folder.name}/{Path(path).name}" for path in paths}
        assert "Paths in it are relative" in page
        table = tmp_path / "corrections.csv"
        table.write_text("path,label\n" + "".join(f"{x},monocyte\n" for x in paths_of(page)))
        assert len(load_csv(table, root=folder.parent).data) == N_CELLS

    def test_a_name_that_is_a_formula(self, fitted, cells, tmp_path):
        odd = tmp_path / "=1+1.png"
        odd.write_bytes(Path(cells[0][0]).read_bytes())
        assert paths_of(review(fitted, [odd], root=tmp_path)) == ["./=1+1.png"]

    def test_a_name_that_is_no_utf_8(self, fitted, cells, tmp_path):
        odd = os.fsdecode(bytes(tmp_path / "caf") + b"\xe9.png")
        Path(odd).write_bytes(Path(cells[0][0]).read_bytes())
        out = review(fitted, [odd], out=tmp_path / "page.html")
        assert paths_of(out) == [odd]

    def test_identity(self, fitted, cells, tmp_path):
        """That of a place and its cells, not of the order or of labels."""
        paths, labels, _ = cells

        def identity(name, X, *args, **options):
            return read_data(review(fitted, X, *args, out=tmp_path / name, **options))["id"]

        first = identity("a.html", paths)
        assert identity("a.html", paths[::-1], labels[::-1], order="neighbors") == first
        assert identity("b.html", paths) != first
        assert identity("a.html", paths[1:]) != first


class TestErrors:
    def test_model(self, cells):
        with pytest.raises(TypeError, match="fitted classifier of skblood, got a str"):
            review("model", cells[0])
        with pytest.raises(NotFittedError):
            review(TransferCellClassifier("cellnet_t"), cells[0])

    def test_blind(self, fitted, cells, training):
        for options in ({"order": "doubt"}, {"reference": training}):
            with pytest.raises(
                ValueError, match="blind review takes the order 'given' or 'random'"
            ):
                review(fitted, cells[0], blind=True, **options)

    def test_order(self, fitted, cells):
        with pytest.raises(
            ValueError, match="'doubt', 'neighbors', 'query', 'given', 'random', not 'best'"
        ):
            review(fitted, cells[0], order="best")

    @pytest.mark.parametrize("X", [np.zeros((2, 28, 28, 3), np.uint8), [], [1, 2], "cell.png"])
    def test_images_without_a_path(self, fitted, X):
        with pytest.raises(TypeError, match="takes the paths of image files"):
            review(fitted, X)

    def test_a_file_twice(self, fitted, cells):
        with pytest.raises(ValueError, match="one file at the positions 1 and 2"):
            review(fitted, [*cells[0][:2], os.path.relpath(cells[0][1])])

    def test_lengths(self, fitted, cells, training):
        paths, labels, slides = cells
        for options in (
            {"y": labels[1:]},
            {"groups": slides[1:]},
            {"reference": (training[0], training[1][1:])},
        ):
            with pytest.raises(ValueError, match="one entry for each image"):
                review(fitted, paths, **options)

    @pytest.mark.parametrize("name", ["note", "label", "split", "probability", "true", "model"])
    def test_groups_named_as_a_column(self, fitted, cells, name):
        with pytest.raises(ValueError, match=f"named '{name}', which is another column"):
            review(fitted, cells[0], groups=cells[2].rename(name))

    def test_an_unreadable_image(self, fitted, cells, tmp_path):
        (tmp_path / "bad.png").write_bytes(b"no image")
        with pytest.raises(ValueError, match=r"bad\.png"):
            review(fitted, [*cells[0], tmp_path / "bad.png"], out=tmp_path / "page.html")
        assert not (tmp_path / "page.html").exists()

    def test_a_single_cell_has_no_neighbors(self, fitted, cells):
        with pytest.raises(ValueError, match="no other cell to compare with"):
            review(fitted, cells[0][:1], order="neighbors")
