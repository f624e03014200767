"""Calls against the server on this machine: ``python examples/serving/load_test.py [--calls 4]``.

Each call sends a second of speech a second, as a telephone does. It is told how long answers took,
and how every request ended: answered, refused or failed.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.recordings import speech_examples

CHUNK_S = 1.0


def ask(url: str, request: dict) -> tuple[str, float]:
    """How a request ended, and after how many seconds."""
    body = json.dumps(request).encode()
    headers = {"Content-Type": "application/json"}
    began_s = time.monotonic()
    try:
        asked = urllib.request.Request(url, body, headers)  # of http, as the caller says
        with urllib.request.urlopen(asked, timeout=60) as answer:
            answer.read()
        ending = "answered"
    except urllib.error.HTTPError as error:
        ending = "refused" if error.code in (413, 422, 429) else "failed"
    except OSError:
        ending = "failed"
    return ending, time.monotonic() - began_s


def call(url: str, number: int, chunks: list[bytes], phase_s: float) -> list[tuple[str, float]]:
    """One call, at its own pace."""
    began_s = time.monotonic() + phase_s
    found = []
    for place, chunk in enumerate(chunks):
        time.sleep(max(0.0, began_s + place * CHUNK_S - time.monotonic()))
        pcm = base64.b64encode(chunk).decode()
        request = {"call": f"call-{number}", "pcm": pcm, "end": place == len(chunks) - 1}
        found.append(ask(url, request))
    return found


def main() -> None:
    """Make the calls at once, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8000/listen")
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=10)
    given = parser.parse_args()
    speech = speech_examples().reshape(-1).numpy()
    samples = np.resize(speech, given.seconds * SAMPLE_RATE_HZ)
    pcm = np.rint(samples * 32_767).astype("<i2").reshape(given.seconds, -1)
    chunks = [one.tobytes() for one in pcm]
    phases_s = np.linspace(0, CHUNK_S, given.calls, endpoint=False)
    with ThreadPoolExecutor(given.calls) as pool:
        calls = [
            pool.submit(call, given.url, number, chunks, phase_s)
            for number, phase_s in enumerate(phases_s)
        ]
        ended = [one for each in calls for one in each.result()]
    endings = Counter(ending for ending, _ in ended)
    print(f"{len(ended)} requests: {dict(endings)}; asked {given.calls * given.seconds}")
    answered_s = [took_s for ending, took_s in ended if ending == "answered"]
    if answered_s:
        p50, p95, p99 = np.percentile(answered_s, (50, 95, 99)) * 1e3
        print(f"answers after p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms")


if __name__ == "__main__":
    main()
