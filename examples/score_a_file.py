"""Score audio files: ``python examples/score_a_file.py [CHECKPOINT FILE...]``.

A checkpoint is a folder that ``fakemamba convert`` or ``train`` has made. Without arguments a small
detector of random weights scores a recording of the package, which says nothing of the recording.
"""

import sys
from importlib.resources import files

import torch

from fakemamba import create_detector, from_pretrained
from fakemamba.data.audio import AudioError, read_audio
from fakemamba.models.weight_files import CheckpointError

if sys.argv[1:]:
    checkpoint, *paths = sys.argv[1:]
    try:
        detector = from_pretrained(checkpoint)  # in evaluation mode
    except CheckpointError as error:
        sys.exit(f"error: {error}")
else:
    detector = create_detector("fake-mamba-s", "xls-r-tiny").eval()
    paths = [files("fakemamba.data") / "recordings" / "en-demo-nomatch.flac"]

for path in paths:
    try:
        waveform = torch.from_numpy(read_audio(path))  # (samples,) at 16 kHz
    except AudioError as error:  # missing, damaged, no audio: the message says which file, and why
        print(f"not scored: {error}")
        continue
    with torch.inference_mode():
        logits = detector(waveform[None])  # (1, samples) -> (1, 2)
    print(path, f"{detector.scores(logits).item():.4f}")  # higher is more bona fide
