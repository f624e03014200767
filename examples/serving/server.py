"""Serve a detector by LitServe: ``python examples/serving/server.py CHECKPOINT [--port 8000]``.

POST /score ``{"audio": base64 of a file}`` gives its score. POST /listen ``{"call": id, "pcm":
base64 of s16 at 16 kHz, "end": false}`` gives the decisions that are due. GET /health says whether
both are up. It needs ``pip install litserve``.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import tempfile
import time
from pathlib import Path

import litserve
import torch
from fastapi import HTTPException

from fakemamba.data.audio import SAMPLE_RATE_HZ, AudioError, read_audio
from fakemamba.data.streaming import PcmStream, StreamError
from fakemamba.evaluation.streams.detector import StreamingDetector
from fakemamba.evaluation.streams.windowing import Windowing
from fakemamba.models.loading import load_detector

MOST_BYTES = 20 * 1024 * 1024  # of a request
LONGEST_S = 60.0  # of a recording
MOST_CALLS = 64  # at a time
FORGOTTEN_AFTER_S = 30.0  # a call of which nothing is heard


def refuse(status: int, reason: str) -> HTTPException:
    """An answer that says what is wrong with a request."""
    return HTTPException(status, reason)


def content_of(request: dict, name: str) -> bytes:
    """What a field holds in base 64."""
    try:
        return base64.b64decode(request[name], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise refuse(422, f"field {name}: base 64 is expected ({error!r})") from error


class Score(litserve.LitAPI):
    """Whole recordings, several that came together in one batch."""

    def __init__(self, checkpoint: str, **how: object) -> None:
        super().__init__(**how)
        self._checkpoint = checkpoint

    def setup(self, device: str) -> None:
        """Load the detector, in the process that uses it."""
        self.detector = load_detector(Path(self._checkpoint)).to(device)

    def decode_request(self, request: dict) -> torch.Tensor:
        """A recording, whole, at 16 kHz (samples,)."""
        with tempfile.NamedTemporaryFile() as file:  # FFmpeg and libsndfile look into it by name
            file.write(content_of(request, "audio"))
            file.flush()
            try:
                waveform = read_audio(file.name)
            except AudioError as error:
                raise refuse(422, str(error).replace(f"{file.name}: ", "")) from error
        seconds = len(waveform) / SAMPLE_RATE_HZ
        if seconds > LONGEST_S:
            raise refuse(413, f"{seconds:.1f} s of audio, but {LONGEST_S:g} s are taken: cut it")
        return torch.from_numpy(waveform)

    def batch(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Recordings of any lengths go together."""
        return inputs

    @torch.inference_mode()
    def predict(self, waveforms: list[torch.Tensor]) -> list[float]:
        """Their scores; none depends on the others."""
        padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)  # (B, L)
        lengths = torch.tensor([len(one) for one in waveforms])
        logits = self.detector(padded.to(self.device), lengths)
        return self.detector.scores(logits).tolist()

    def unbatch(self, output: list[float]) -> list[float]:
        """A score each."""
        return output

    def encode_response(self, output: float) -> dict:
        """What is answered; higher is more bona fide."""
        return {"score": output}


class Listen(litserve.LitAPI):
    """Calls that go on, each with its own windows; one worker holds them all."""

    def __init__(self, checkpoint: str, windowing: Windowing, **how: object) -> None:
        super().__init__(**how)
        self._checkpoint, self._windowing = checkpoint, windowing

    def setup(self, device: str) -> None:
        """Load the detector; there are no calls yet."""
        self.detector = load_detector(Path(self._checkpoint)).to(device)
        self.calls: dict[str, tuple[StreamingDetector, PcmStream]] = {}
        self.heard_s: dict[str, float] = {}

    def predict(self, request: dict) -> dict:
        """The decisions that a piece of a call makes due."""
        call, pcm = str(request.get("call")), content_of(request, "pcm")
        listener, stream = self._call(call)
        try:
            decisions = list(listener.feed(stream.feed(pcm)))
            if request.get("end"):
                rest, fault = stream.close()
                if fault is not None:
                    raise StreamError(fault)
                decisions += [*listener.feed(rest), listener.close()]
        except StreamError as error:
            self._forget(call)
            raise refuse(422, str(error)) from error
        if request.get("end"):
            self._forget(call)
        decisions = [one for one in decisions if one is not None]
        return {"decisions": [one.to_json() for one in decisions]}

    def _call(self, call: str) -> tuple[StreamingDetector, PcmStream]:
        now_s = time.monotonic()
        for other, heard_s in list(self.heard_s.items()):
            if now_s - heard_s > FORGOTTEN_AFTER_S:
                self._forget(other)
        if call not in self.calls:
            if len(self.calls) >= MOST_CALLS:
                raise refuse(429, f"{MOST_CALLS} calls are listened to already: try later")
            listener = StreamingDetector(self.detector, self._windowing)
            self.calls[call] = listener, PcmStream("s16", SAMPLE_RATE_HZ)
        self.heard_s[call] = now_s
        return self.calls[call]

    def _forget(self, call: str) -> None:
        self.calls.pop(call, None)
        self.heard_s.pop(call, None)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    apis = [
        Score(given.checkpoint, api_path="/score", max_batch_size=8, batch_timeout=0.02),
        Listen(given.checkpoint, Windowing(window=4.0, hop=1.0), api_path="/listen"),
    ]
    server = litserve.LitServer(apis, timeout=30, max_payload_size=MOST_BYTES)
    server.run(host=given.host, port=given.port, generate_client_file=False)


if __name__ == "__main__":
    main()
