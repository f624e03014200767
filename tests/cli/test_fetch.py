"""``fakemamba fetch``, against a stand-in of the hub."""

import hashlib
import json
import logging
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hub_server import COMMIT, NEXT_COMMIT, Hub, running
from huggingface_hub import constants
from safetensors.torch import save

from fakemamba import from_pretrained, save_pretrained
from fakemamba.cli.main import main
from fakemamba.models import hub as models_hub
from fakemamba.models.checkpoints import checkpoint_sha256
from fakemamba.models.weight_sources import weight_source

NAME, REPOSITORY, FILE = "xlsr-mamba-df", "AustinXiao/XLSR-Mamba-DF", "model.safetensors"
BY_HAND = (
    f"download {{}}/{REPOSITORY}/resolve/main/{FILE} to this folder by hand, then "
    f"`fakemamba convert {FILE} --detector xlsr-mamba --out {NAME}`"
)


def official(detector):
    """The bytes of an official file: its front-end has the prefix of the published code."""
    state = {
        key.replace("frontend.model.", "ssl_model.model."): value.contiguous()
        for key, value in detector.state_dict().items()
    }
    return save(state)


@pytest.fixture
def content(make_detector):
    return official(make_detector("xlsr-mamba"))


@pytest.fixture
def hub(tmp_path, monkeypatch, content):
    """A hub that has one detector; an empty cache, and an empty current folder."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with running(Hub()) as hub:
        hub.put(REPOSITORY, FILE, content)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


@pytest.fixture
def fetch(hub, capsys):
    """Run it, and give its exit status, what it said, and the line of its error."""

    def run(*arguments):
        status = main(["fetch", *arguments])
        printed = capsys.readouterr()
        lines = [one for one in printed.err.splitlines() if one.startswith("fakemamba: ")]
        assert "Traceback" not in printed.err and len(lines) == status
        return status, printed.out, "".join(lines)

    return run


def record(folder):
    return json.loads(Path(folder, "source.json").read_text())


def downloads(hub):
    return [one for one in hub.asked if one[0] == "GET"]


def test_weights_become_a_folder_that_says_where_they_are_from(fetch, content):
    status, said, _ = fetch(NAME)
    assert status == 0
    assert said.index("Licence: MIT") < said.index(f"Revision {COMMIT}")
    found = record(NAME)
    assert found.pop("fetched").endswith("+00:00")
    assert found == {
        **{"kind": "fakemamba-source", "schema": 1, "name": NAME, "repository": REPOSITORY},
        **{"revision": COMMIT, "sha256": {FILE: hashlib.sha256(content).hexdigest()}},
        "licence": "MIT",
    }
    detector = from_pretrained(NAME)
    assert len(detector.encoder.forward_layers) == detector.config.depth
    assert len(checkpoint_sha256(Path(NAME))) == 64


@torch.inference_mode()
def test_the_weights_are_those_of_the_hub(fetch, make_detector):
    assert fetch(NAME, "--out", "here")[0] == 0
    wanted = make_detector("xlsr-mamba").state_dict()
    found = from_pretrained("here").state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_a_repository_that_changes_meanwhile_is_not_mixed(fetch, hub, content, monkeypatch):
    download = models_hub.hf_hub_download

    def change_first(*arguments, **options):
        hub.put(REPOSITORY, FILE, content, NEXT_COMMIT)
        return download(*arguments, **options)

    monkeypatch.setattr(models_hub, "hf_hub_download", change_first)
    status, _, error = fetch(NAME)
    assert status == 1 and "was changed at this moment; fetch again" in error
    assert not Path(NAME).exists()


def test_what_is_there_is_not_downloaded_again(fetch, hub):
    fetch(NAME)
    before = (Path(NAME, "model.safetensors").stat().st_mtime_ns, len(downloads(hub)))
    status, said, _ = fetch(NAME)
    assert status == 0 and f"{NAME} has it already, of revision {COMMIT}" in said
    assert (Path(NAME, "model.safetensors").stat().st_mtime_ns, len(downloads(hub))) == before


def test_another_revision_has_to_be_asked_for(fetch, hub, make_detector):
    fetch(NAME)
    torch.manual_seed(1)
    other = make_detector("xlsr-mamba")
    with torch.no_grad():
        other.head.classifier.bias.fill_(7.0)
    hub.put(REPOSITORY, FILE, official(other), NEXT_COMMIT)
    status, _, error = fetch(NAME)
    assert status == 1 and len(downloads(hub)) == 1
    assert f"has revision {NEXT_COMMIT} now, and {NAME} was fetched at {COMMIT}" in error
    assert f"say --revision {NEXT_COMMIT} to replace it" in error
    assert fetch(NAME, "--revision", NEXT_COMMIT)[0] == 0
    assert from_pretrained(NAME).head.classifier.bias[0].item() == 7.0
    assert record(NAME)["revision"] == NEXT_COMMIT
    assert fetch(NAME)[0] == 0


def test_other_content_at_the_same_revision_is_refused(fetch, hub, content):
    fetch(NAME)
    hub.put(REPOSITORY, FILE, content + b"\0" * 8)
    status, _, error = fetch(NAME)
    assert status == 1 and "it was replaced" in error and f"--revision {COMMIT}" in error
    assert fetch(NAME, "--revision", COMMIT)[0] == 1


def test_content_that_is_not_as_others_had_it_has_to_be_asked_for(fetch, hub, content):
    """Of this one a SHA-256 is in the table, which that of a small detector is not."""
    hub.put("AustinXiao/XLSR-Mamba-LA", FILE, content)
    status, _, error = fetch("xlsr-mamba-la")
    assert status == 1 and "but is known with bb8a1af0b3f9" in error and not downloads(hub)
    assert fetch("xlsr-mamba-la", "--revision", COMMIT)[0] == 0
    assert fetch("xlsr-mamba-la")[0] == 0  # as it is pinned now


def test_a_commit_of_the_table_is_taken_and_no_other(fetch, hub, monkeypatch):
    source = replace(weight_source(NAME), revision=COMMIT)
    monkeypatch.setattr("fakemamba.cli.fetch.weight_source", lambda name: source)
    hub.put(REPOSITORY, FILE, b"another", NEXT_COMMIT)
    assert fetch(NAME)[0] == 0
    assert record(NAME)["revision"] == COMMIT


def test_content_that_is_not_what_the_hub_announces_is_refused(fetch, hub):
    hub.announced = "0" * 64
    status, _, error = fetch(NAME)
    assert status == 1 and f"but the hub says {'0' * 64}" in error and not Path(NAME).exists()


def test_a_damaged_cache_is_found_and_mended_as_it_says(fetch, hub, content, tmp_path):
    assert fetch(NAME, "--out", "first")[0] == 0
    [blob] = (tmp_path / "cache").glob("models--*/blobs/*")
    blob.write_bytes(content[:-1] + b"?")
    status, _, error = fetch(NAME)
    assert status == 1 and f"{blob} has the SHA-256" in error and "remove it" in error
    blob.unlink()
    assert fetch(NAME)[0] == 0


def test_a_download_that_breaks_goes_on_where_it_broke(fetch, hub, content, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    hub.cut_after = 20 << 16
    assert fetch(NAME)[0] == 0
    assert [one[2] for one in downloads(hub)] == [None, f"bytes={20 << 16}-"]


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ((403, "GatedRepo"), "is gated: accept its terms on that page"),
        ((401, "RepoNotFound"), f"has no repository {REPOSITORY}"),
        ((404, "RevisionNotFound"), f"{REPOSITORY} has no revision 'main'"),
        ((404, "EntryNotFound"), f"{REPOSITORY} has no file {FILE} at revision main"),
        ((503, "Down"), f"answers 503 for {FILE} of {REPOSITORY}"),
    ],
    ids=str,
)
def test_a_refusal_is_one_line_with_what_to_do_by_hand(fetch, hub, problem, message):
    hub.problem = problem
    status, said, error = fetch(NAME)
    assert status == 1 and message in error and "Licence: MIT" in said
    assert BY_HAND.format("https://huggingface.co") in error
    assert not Path(NAME).exists()


def test_a_server_that_is_no_hub_is_called_that(fetch, hub, monkeypatch):
    monkeypatch.setattr(hub, "head", "")
    hub.files[""] = hub.files[COMMIT]
    assert "is not of a hub of Hugging Face" in fetch(NAME)[2]


def test_without_a_network_it_says_what_to_do_or_takes_the_cache(fetch, hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    online = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    status, _, error = fetch(NAME)
    assert status == 1 and "cannot be had from http://127.0.0.1:9" in error
    assert BY_HAND.format("https://huggingface.co") in error
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", online)
    assert fetch(NAME, "--out", "first")[0] == 0
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert fetch(NAME, "--out", "second")[0] == 0
    records = [record(one) for one in ("first", "second")]
    assert records[0]["sha256"] == records[1]["sha256"]
    assert records[0]["revision"] == records[1]["revision"] == COMMIT


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"<!doctype html><p>Sign in", "is a web page, not weights"),
        (save({"x": torch.zeros(2)}), "holds no speech front-end"),
    ],
    ids=["page", "other weights"],
)
def test_wrong_content_is_called_what_it_is(fetch, hub, wrong, message):
    hub.put(REPOSITORY, FILE, wrong)
    status, _, error = fetch(NAME)
    assert status == 1 and message in error
    assert not Path(NAME).exists()


def test_a_full_disk_is_one_line(fetch, hub):
    """A limit of the size of files stands in for it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        status, _, error = fetch(NAME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 1 and "File too large" in error and "cache" in error
    assert not Path(NAME).exists()
    assert fetch(NAME)[0] == 0


def test_what_was_killed_while_it_was_replaced_is_fetched_again(fetch, hub, content, monkeypatch):
    fetch(NAME)
    hub.put(REPOSITORY, FILE, content, NEXT_COMMIT)

    def killed(*arguments):
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("fakemamba.models.fetching.save_pretrained", killed)
        assert fetch(NAME, "--revision", "main")[0] == 1
    assert fetch(NAME)[0] == 0
    assert record(NAME)["revision"] == NEXT_COMMIT


def test_folders_of_others_are_left_alone(fetch, hub, make_detector, tmp_path):
    save_pretrained(make_detector("xlsr-mamba"), tmp_path / "mine")
    status, _, error = fetch(NAME, "--out", str(tmp_path / "mine"))
    assert status == 1 and "holds a detector that was not fetched" in error
    fetch(NAME)
    status, _, error = fetch("xlsr-mamba-la", "--out", NAME)
    assert status == 1 and f"{NAME} holds {NAME}, not xlsr-mamba-la" in error
    Path("file").touch()
    assert "file is a file, not a folder" in fetch(NAME, "--out", "file")[2]
    Path(NAME, "source.json").write_text("{")
    status, _, error = fetch(NAME)
    assert status == 1 and "source.json is not JSON" in error and "--out" in error


def test_what_is_on_a_drive_is_told_with_its_address_and_command(fetch, hub):
    status, said, error = fetch("xlsr-aasist-la")
    assert status == 1 and "https://drive.google.com/" in error and "Licence: MIT" in said
    assert "fakemamba convert best_SSL_model_LA.pth --detector xlsr-aasist" in error
    assert not hub.asked


def test_what_is_not_for_commercial_use_says_so_first(fetch, hub):
    _, said, _ = fetch("antideepfake-mms-300m")
    assert said.index("NOT FOR COMMERCIAL USE") < said.index("none of these is a test for it")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("xlsr-mamba-lb", "did you mean xlsr-mamba-"),
        ("xlsr-mamba", "say xlsr-mamba-la or xlsr-mamba-df"),
        ("xlsr-conformer", "no weights of xlsr-conformer are published: none"),
        ("\x1b[31m", "`fakemamba weights` lists them"),
    ],
)
def test_a_name_that_is_none_is_refused(fetch, hub, name, message):
    status, _, error = fetch(name)
    assert status == 1 and message in error and "\x1b" not in error
    assert not hub.asked


def test_the_endpoint_of_the_environment_is_asked(hub, tmp_path):
    code = (
        f"from fakemamba.models.hub import look_up\nprint(look_up('{REPOSITORY}', '{FILE}').commit)"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{COMMIT}\n", done.stderr


def test_requests_are_not_logged_as_their_addresses_may_be_signed(fetch, hub):
    fetch(NAME)
    assert {logging.getLogger(one).getEffectiveLevel() for one in ("httpx", "httpx2")} == {30}
