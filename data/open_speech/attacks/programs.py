"""Synthesizers that are programs: what they write is read as a waveform."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fakemamba.data.audio import Waveform, read_audio
from fakemamba.data.open_speech.attacks.attack import ForgeryError

LIMIT_S = 120


def spoken(command: Sequence[str], text: bytes) -> Waveform:
    """What a program speaks, (samples,) at 16 kHz.

    Args:
        command: The program and its arguments; ``{input}`` and ``{output}`` stand for the file with
            the text and for the WAV to write.
        text: What the input file holds, in the program's encoding.

    Raises:
        ForgeryError: the program failed, wrote nothing or did not end; with what it said.
    """
    with TemporaryDirectory() as folder:
        source, wav = Path(folder) / "input", Path(folder) / "output.wav"
        source.write_bytes(text.replace(b"{output}", str(wav).encode()))
        paths = {"{input}": str(source), "{output}": str(wav)}
        arguments = [paths.get(part, part) for part in command]
        try:
            done = subprocess.run(arguments, capture_output=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ForgeryError(f"{command[0]} gave no speech in {LIMIT_S} s") from error
        if done.returncode or not wav.is_file():
            said = done.stderr.decode(errors="replace").strip()[-200:]
            raise ForgeryError(f"{command[0]} gave no speech: {said}")
        return read_audio(wav)
