"""Models on the Hugging Face Hub, played by a server of this computer."""

import base64
import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import huggingface_hub
import numpy as np
import pytest
import yaml

import skblood
from skblood import MLPCellClassifier
from skblood.datasets import make_blood_cells
from skblood.evaluation import evaluate

TOKEN = "hf_secretsecretsecretsecret"


class Hub(ThreadingHTTPServer):
    """The endpoints of the Hub that are in use: repositories are dicts of commits."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos, self.asked, self.status, self.private = {}, [], None, {}
        self.page, self.sent = None, None  # answers all; bytes after which a file is cut off

    def push(self, repo, files):
        commits = self.repos.setdefault(repo, {})
        name = hashlib.sha1(f"{repo}{len(commits)}".encode()).hexdigest()
        commits[name] = files
        return name

    def find(self, repo, revision):
        commits = self.repos[repo]
        name = list(commits)[-1] if revision == "main" else revision
        return name, commits.get(name)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        hub, path = self.server, unquote(self.path.partition("?")[0])
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        hub.asked.append((path, self.headers.get("Authorization")))
        if hub.status or hub.page:
            return self.answer(hub.page or {"error": "refused"}, hub.status or 200)
        if path == "/api/repos/create":
            given = json.loads(body)
            repo = f"{given['organization']}/{given['name']}"
            hub.private[repo] = given.get("private", given.get("visibility") == "private")
            if repo not in hub.repos:
                hub.repos[repo] = {}
            return self.answer({"url": f"{hub.url}/{repo}", "id": repo, "name": repo})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        repo = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            modes = [{"path": file["path"], **mode} for file in files]
            return self.answer({"files": modes})
        if "/commit/" in path:
            lines = [json.loads(line) for line in body.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            oid = hub.push(repo, files)
            return self.answer({"commitOid": oid, "commitUrl": f"{hub.url}/{repo}/commit/{oid}"})
        return self.answer({"error": path}, 404)

    def do_GET(self):
        hub, path = self.server, unquote(self.path.partition("?")[0])
        hub.asked.append((path, self.headers.get("Authorization")))
        if hub.status or hub.page:
            return self.answer(hub.page or {"error": "refused"}, hub.status or 200)
        if path.startswith("/api/models/"):  # asked by earlier versions before a push
            return self.answer({"id": "/".join(path.split("/")[3:5]), "xetEnabled": False})
        owner, name, kind, *rest = path.strip("/").split("/")
        repo = f"{owner}/{name}"
        if repo not in hub.repos:
            return self.answer({}, 404, {"X-Error-Code": "RepoNotFound"})
        commit, files = hub.find(repo, rest[0])
        if kind != "resolve" or files is None:
            return self.answer({}, 404, {"X-Error-Code": "RevisionNotFound"})
        if rest[1] not in files:
            return self.answer({}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        content = files[rest[1]]
        digest = hashlib.sha1(content).hexdigest()
        return self.answer(content, 200, {"X-Repo-Commit": commit, "ETag": f'"{digest}"'})

    do_HEAD = do_GET

    def answer(self, content, status=200, headers=()):
        is_json = not isinstance(content, bytes)
        content = json.dumps(content).encode() if is_json else content
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if is_json else "application/octet")
        self.send_header("Content-Length", str(len(content)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: self.server.sent])
            self.close_connection = self.server.sent is not None

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Return a Hub that the library asks in place of the real one, with an empty cache."""
    with Hub() as hub:
        hub.url = f"http://127.0.0.1:{hub.server_port}"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        template = "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + template,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value, raising=False)
        # Earlier versions have a copy.
        copied = "huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE"
        monkeypatch.setattr(copied, hub.url + template, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        # Of the waits between two tries.
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(40, image_size=16, random_state=0)


@pytest.fixture(scope="module")
def model(cells):
    return MLPCellClassifier((4,), max_epochs=1, random_state=0).fit(*cells)


def metadata(readme):
    return yaml.safe_load(readme.split("---\n")[1])


class TestPushAndLoad:
    def test_the_same_model_comes_back(self, hub, model, cells):
        address = skblood.push_to_hub(model, "lab/cells")
        assert address == f"hf://lab/cells@{[*hub.repos['lab/cells']][-1]}"
        again = skblood.load(address)
        assert np.array_equal(again.predict_proba(cells[0]), model.predict_proba(cells[0]))
        assert skblood.load_info("hf://lab/cells")["class"] == "MLPCellClassifier"
        assert hub.private == {"lab/cells": True}

    def test_files_are_a_safetensors_file_and_the_card(self, hub, model, cells):
        report = evaluate(model, *cells)
        skblood.push_to_hub(model, "lab/cells", evaluation=report, license="mit", private=False)
        _, files = hub.find("lab/cells", "main")
        assert {*files} == {"model.safetensors", "README.md"}
        assert files["model.safetensors"][8:23] == b'{"__metadata__"'
        readme = files["README.md"].decode()
        about = metadata(readme)
        assert (about["library_name"], about["license"]) == ("skblood", "mit")
        assert about["pipeline_tag"] == "image-classification"
        assert "blood-cells" in about["tags"] and about["metrics"][0] == "accuracy"
        (result,) = about["model-index"][0]["results"]
        values = {each["name"]: each["value"] for each in result["metrics"]}
        assert values["accuracy"] == round(report.scores["accuracy"].value, 4)
        assert "# Model card: MLPCellClassifier" in readme
        assert hub.private == {"lab/cells": False}

    def test_scores_of_several_test_sets(self, hub, model, cells):
        reports = {"ours": evaluate(model, *cells), "theirs": evaluate(model, *cells)}
        skblood.push_to_hub(model, "lab/cells", evaluation=reports)
        results = metadata(hub.find("lab/cells", "main")[1]["README.md"].decode())["model-index"]
        names = [each["dataset"]["name"] for each in results[0]["results"]]
        assert names == ["ours", "theirs"]

    def test_the_license_of_the_first_weights(self, hub):
        skblood.push_to_hub(skblood.load_pretrained(device="cpu"), "lab/cells")
        about = metadata(hub.find("lab/cells", "main")[1]["README.md"].decode())
        assert about["license"] == "cc-by-4.0" and "metrics" not in about

    def test_a_revision_is_pinned(self, hub, model, cells):
        first = skblood.push_to_hub(model, "lab/cells")
        other = MLPCellClassifier((4,), max_epochs=1, random_state=1).fit(*cells)
        second = skblood.push_to_hub(other, "lab/cells")
        expected = [(first, model), (second, other), ("hf://lab/cells", other)]
        for address, each in expected:
            found = skblood.load(address).predict_proba(cells[0])
            assert np.array_equal(found, each.predict_proba(cells[0]))

    def test_a_commit_is_downloaded_once(self, hub, model):
        address = skblood.push_to_hub(model, "lab/cells")
        skblood.load(address)
        hub.asked.clear()
        skblood.load(address)
        assert not hub.asked


class TestWhatIsRefused:
    def test_a_changed_file(self, hub, model):
        commit = skblood.push_to_hub(model, "lab/cells").rpartition("@")[2]
        content = hub.repos["lab/cells"][commit]["model.safetensors"]
        changed = content[:-1] + bytes([content[-1] ^ 1])
        hub.repos["lab/cells"][commit]["model.safetensors"] = changed
        address = f"hf://lab/cells@{commit}"
        with pytest.raises(skblood.ModelFileError, match=rf"'{address}'.*checksum.*again, delete"):
            skblood.load(address)

    def test_a_file_damaged_on_this_computer_can_be_downloaded_again(self, hub, model):
        address = skblood.push_to_hub(model, "lab/cells")
        skblood.load(address)
        (folder,) = Path(huggingface_hub.constants.HF_HUB_CACHE).glob("models--*")
        (blob,) = folder.glob("blobs/*")
        blob.write_bytes(blob.read_bytes()[:-1])
        with pytest.raises(skblood.ModelFileError, match="its size is not") as caught:
            skblood.load(address)
        assert f"delete the folder {str(folder)!r};" in str(caught.value)
        shutil.rmtree(folder)
        assert skblood.load(address).n_iter_ == 1

    def test_a_download_that_breaks_off(self, hub, model):
        address = skblood.push_to_hub(model, "lab/cells")
        hub.sent = 1000
        with pytest.raises(ConnectionError, match=r"answered, but the transfer broke off: try"):
            skblood.load(address)
        hub.sent = None
        assert skblood.load(address).n_iter_ == 1

    def test_a_page_to_log_in_to_a_net(self, hub, model):
        hub.page = b"<html>Accept the terms</html>"
        for call in (
            lambda: skblood.push_to_hub(model, "lab/cells"),
            lambda: skblood.load("hf://lab/cells"),
        ):
            with pytest.raises(ConnectionError, match=r"an answer that is not the Hub's: a proxy"):
                call()

    def test_a_pickle(self, hub):
        hub.push("lab/cells", {"model.safetensors": b"\x80\x04K\x01."})
        with pytest.raises(skblood.ModelFileError, match="pickle"):
            skblood.load("hf://lab/cells")

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("hf://lab/none", "no model 'lab/none' on the Hub, or it is private"),
            ("hf://lab/cells@v9", "'lab/cells' has no revision 'v9'"),
            ("hf://lab/cells", "has no model.safetensors: it is no model"),
        ],
    )
    def test_what_is_not_there(self, hub, address, message):
        hub.push("lab/cells", {"pytorch_model.bin": b""})
        with pytest.raises(FileNotFoundError, match=message):
            skblood.load(address)

    @pytest.mark.parametrize("address", ["hf://cells", "hf://lab/cells/model", "hf://lab/a b@x"])
    @pytest.mark.parametrize("kind", [str, Path, str.upper])
    def test_other_addresses(self, address, kind):
        with pytest.raises(ValueError, match="must be a str 'hf://owner/name'"):
            skblood.load(kind(address))

    @pytest.mark.parametrize("name", [Path("hf://a/b"), "HF://a/b", "hf://a/b@../../x"])
    def test_addresses_that_are_nearly_right(self, hub, name):
        with pytest.raises(ValueError, match="must be a str 'hf://owner/name'"):
            skblood.load(name)
        assert not hub.asked

    @pytest.mark.parametrize("name", ["cells", "lab/cells@main", "a/b/c"])
    def test_other_names(self, name, model):
        with pytest.raises(ValueError, match="must be 'owner/name'"):
            skblood.push_to_hub(model, name)

    @pytest.mark.parametrize("status", [401, 403])
    def test_without_the_right_to(self, hub, model, status):
        hub.status = status
        for call in (
            lambda: skblood.push_to_hub(model, "lab/cells"),
            lambda: skblood.load("hf://lab/cells"),
        ):
            with pytest.raises(OSError, match=r"hf auth login.*HF_TOKEN") as caught:
                call()
            assert TOKEN not in f"{caught.getrepr(chain=True)}"
        assert f"Bearer {TOKEN}" in {token for _, token in hub.asked}

    def test_other_answers(self, hub, model):
        hub.status = 418
        with pytest.raises(OSError, match=r"refused 'lab/cells' \(HTTP status 418"):
            skblood.push_to_hub(model, "lab/cells")

    def test_no_connection(self, hub, model, monkeypatch):
        for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
            value = getattr(huggingface_hub.constants, name)
            value = value.replace(hub.url, "http://127.0.0.1:9")
            monkeypatch.setattr(huggingface_hub.constants, name, value, raising=False)
        for call in (
            lambda: skblood.push_to_hub(model, "lab/cells"),
            lambda: skblood.load("hf://lab/cells"),
        ):
            with pytest.raises(ConnectionError, match=r"cannot be reached.*Check the connection"):
                call()

    def test_offline_with_and_without_the_file(self, hub, model, monkeypatch):
        address = skblood.push_to_hub(model, "lab/cells")
        skblood.load(address)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        assert skblood.load(address).n_iter_ == 1
        with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE"):
            skblood.load("hf://lab/other")
