"""The served example answers as the detector does, and every request ends."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from fakemamba import save_pretrained
from fakemamba.data.audio import read_audio
from fakemamba.files import packaged

SERVING = Path(__file__).resolve().parents[2] / "examples" / "serving"
RECORDING = packaged("fakemamba.data", "recordings", ".flac")["fr-agent-user"]

pytestmark = pytest.mark.at_length


@pytest.fixture(scope="module")
def detector(make_detector):
    return make_detector("fake-mamba-s")


@pytest.fixture(scope="module")
def url(detector, tmp_path_factory):
    pytest.importorskip("litserve", reason="litserve is not installed")
    folder = tmp_path_factory.mktemp("serving")
    save_pretrained(detector, folder / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        str(SERVING / "server.py"),
        str(folder / "model"),
        "--port",
        str(port),
    ]
    with (
        (folder / "said.txt").open("w") as said,
        subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True) as server,
    ):
        try:
            for _ in range(600):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                        assert answer.read() == b"ok"
                    break
                except OSError:
                    assert server.poll() is None, (folder / "said.txt").read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, 15)


def ask(url, **request):
    """The status and the content of an answer."""
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, json.dumps(request).encode(), headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def encoded(content):
    return base64.b64encode(content).decode()


def test_a_recording_gets_its_score(url, detector):
    status, found = ask(f"{url}/score", audio=encoded(RECORDING.read_bytes()))
    with torch.inference_mode():
        wanted = detector.scores(detector(torch.from_numpy(read_audio(RECORDING))[None])).item()
    assert status == 200 and found["score"] == pytest.approx(wanted, abs=1e-4)


def test_a_call_gets_decisions_and_is_forgotten(url):
    pcm = np.rint(read_audio(RECORDING) * 32_767).astype("<i2").tobytes()
    places = range(0, len(pcm), 30_000)
    found = []
    for place in places:
        piece = encoded(pcm[place : place + 30_000])
        status, answer = ask(f"{url}/listen", call="a", pcm=piece, end=place == places[-1])
        assert status == 200
        found += answer["decisions"]
    assert [one["at_s"] for one in found[:4]] == [1, 2, 3, 4] and len(found) == 5
    status, answer = ask(f"{url}/listen", call="a", pcm=encoded(pcm[:32_000]), end=True)
    assert [one["at_s"] for one in answer["decisions"]] == [1]  # a new call


@pytest.mark.parametrize(
    ("path", "request_", "status", "told"),
    [
        ("score", {}, 422, "base 64 is expected"),
        ("score", {"audio": encoded(b"no audio" * 99)}, 422, "the file is corrupt"),
        ("listen", {"call": "b", "pcm": "?"}, 422, "base 64 is expected"),
        ("listen", {"call": "b", "pcm": encoded(b"\0" * 3), "end": True}, 422, "within a sample"),
    ],
)
def test_what_is_no_audio_is_refused_with_its_reason(url, path, request_, status, told):
    found, answer = ask(f"{url}/{path}", **request_)
    assert found == status and told in answer["detail"]


def test_under_load_every_request_ends(url):
    command = [sys.executable, str(SERVING / "load_test.py"), "--url", f"{url}/listen"]
    done = subprocess.run(
        [*command, "--calls", "3", "--seconds", "3"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("9 requests: {'answered': 9}; asked 9")
    assert re.search(r"p50 \d+ ms, p95 \d+ ms, p99 \d+ ms", done.stdout)
