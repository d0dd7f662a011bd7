"""What notebooks show of estimators, data sets and results."""

import pickle
import re

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skblood import CellEmbedder, TransferCellClassifier
from skblood.datasets import load_cells, load_csv, make_blood_cells
from skblood.datasets._bunch import as_dataset
from skblood.evaluation import compare_differentials, differential_count
from skblood.uncertainty import OutlierDetector

_SITE = "https://skblood.readthedocs.io/en/stable/generated"


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(16, image_size=16, random_state=0)


@pytest.fixture(scope="module")
def clf(cells):
    return TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(*cells)


class TestEstimators:
    def test_the_network_stands_below_the_name_of_a_fitted_one(self, clf):
        assert 'class="caption">cellnet_t, 16x16 px, 8 classes<' in clf._repr_html_()
        assert 'class="caption"' not in TransferCellClassifier()._repr_html_()

    def test_embedders_have_no_classes(self, cells):
        embedder = make_pipeline(CellEmbedder("cellnet_t", random_state=0)).fit(cells[0])
        assert 'class="caption">cellnet_t, 16x16 px<' in embedder._repr_html_()

    @pytest.mark.parametrize(
        ("estimator", "page"),
        [
            (TransferCellClassifier(), "skblood.TransferCellClassifier"),
            (OutlierDetector(), "skblood.uncertainty.OutlierDetector"),
        ],
    )
    def test_the_diagram_links_to_the_page(self, estimator, page):
        links = re.findall(r'sk-estimator-doc-link[^>]*href="([^"]*)"', estimator._repr_html_())
        assert links == [f"{_SITE}/{page}.html"]

    def test_classes_of_users_have_no_page(self):
        class Mine(TransferCellClassifier):
            pass

        assert Mine()._get_doc_link() == ""

    def test_names_are_text_and_not_html(self, cells):
        clf = TransferCellClassifier("<script>alert(1)</script>")
        assert "<script>alert(1)" not in clf._repr_html_()
        y = np.where(cells[1] == cells[1][0], "<b>a</b>", "<i>b</i>")
        clf = TransferCellClassifier("cellnet_t", max_epochs=1).fit(cells[0], y)
        assert "<b>a" not in clf._repr_html_()

    def test_former_names_are_not_listed(self, clf):
        assert not {"crop_", "image_size_"} & {*dir(clf)}
        assert "crop_" not in clf._repr_html_()


class TestBunch:
    @pytest.fixture
    def dataset(self):
        paths = np.array([f"slides/patient_{i}.png" for i in range(300)])
        y = np.where(np.arange(300) < 100, "ig", "monocyte")
        frame = {"path": paths, "split": np.where(np.arange(300) < 250, "train", "test")}
        return as_dataset(paths, y, "Made <here>", frame=frame, groups=np.arange(300))

    def test_text_is_a_summary(self, dataset):
        lines = repr(dataset).splitlines()
        assert lines[0] == "Bunch (images: 300, classes: 2)"
        assert "  data: ndarray of shape (300,), str" in lines
        assert "  target_names: ig, monocyte" in lines
        assert "  frame: DataFrame of shape (300, 2): path, split" in lines
        assert "  paths: data" in lines and "patient_1" not in repr(dataset)
        assert len(repr(dataset)) < 600

    def test_table_of_classes_and_parts(self, dataset):
        html = dataset._repr_html_()
        table = [re.findall(r"<td>(\d+)</td>", row) for row in html.split("<tr>")]
        assert [row for row in table if row] == [["0", "100"], ["50", "150"]]
        assert "patient" not in html and "<here>" not in html

    def test_names_are_text_and_not_html(self):
        names = np.array(["<b>ig</b>", "a\x1b[31m"])
        dataset = as_dataset(names, names, "", frame={"path": names})
        assert "<b>ig" not in dataset._repr_html_()
        assert "\x1b" not in repr(dataset)

    def test_it_is_a_bunch_as_before(self, dataset):
        assert isinstance(dataset, Bunch) and dataset.target is dataset["target"]
        again = pickle.loads(pickle.dumps(dataset))
        assert type(again) is type(dataset) and (again.data == dataset.data).all()
        assert {*dataset} == {"data", "target", "target_names", "frame", "DESCR", "paths", "groups"}
        with pytest.raises(AttributeError):
            dataset.nothing  # noqa: B018

    def test_whatever_a_user_makes_of_it(self, dataset):
        for name in [*dataset]:
            del dataset[name]
            assert "Bunch (" in repr(dataset) and "Bunch (" in dataset._repr_html_()

    @pytest.mark.parametrize("value", [5, None, "ig", np.eye(3), [["a"], ["b"]], np.array(2)])
    @pytest.mark.parametrize("name", ["target", "target_names", "frame", "data", "paths"])
    def test_whatever_a_user_puts_into_it(self, dataset, name, value):
        dataset[name] = value
        assert "Bunch (" in repr(dataset) and "Bunch (" in dataset._repr_html_()

    def test_loaders_return_it(self, tmp_path):
        (tmp_path / "cells.csv").write_text("path,label\n")
        X, y = make_blood_cells(4, image_size=16, random_state=0)
        codes = np.unique(y, return_inverse=True)[1]
        np.savez(tmp_path / "cells.npz", train_images=X, train_labels=codes)
        cells = load_cells(tmp_path / "cells.npz")
        assert "data: ndarray of shape (4, 16, 16, 3), uint8\n" in repr(cells)
        table = tmp_path / "cells.csv"
        table.write_text("path,label\ncells.npz,ig\n")
        assert repr(load_csv(table)).startswith("Bunch (images: 1, classes: 1)")


def test_results_show_what_print_shows():
    labels, groups = ["ig", "<b>", "ig", "ig"] * 3, ["a", "a", "b", "c"] * 3
    count = differential_count(labels, groups=groups)
    results = [
        count,
        compare_differentials(count, count, method="deming"),
    ]
    for result in results:
        html = result._repr_html_()
        assert "<b>" not in html and "&lt;b&gt;" in html
        assert str(result).splitlines()[0][:20] in html
