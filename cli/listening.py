"""``fakemamba detect --stream``: audio as it comes, a decision a hop, as JSON or a live line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fakemamba import interrupts
from fakemamba.cli.detection_output import per_cent, verdict_words
from fakemamba.cli.printing import say
from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.streaming import Encoding, PcmStream, StreamError, stream_recording
from fakemamba.evaluation.streams.detector import StreamDecision, StreamingDetector
from fakemamba.evaluation.streams.live import LiveAudio, played
from fakemamba.names import visible

STANDARD_INPUT = Path("-")
READ_BYTES = 1 << 14

Tell = Callable[[StreamDecision, float | None], None]


@dataclass(frozen=True)
class Listening:
    """How the audio of a stream comes.

    Attributes:
        pace: own plays a file as it would be heard, and takes what comes from standard input when
            it comes: if that is too fast, decisions are skipped, and it is said. fast makes every
            decision, as fast as it can. By default own of standard input, and fast of a file.
        encoding: Of raw PCM from standard input, one channel, lowest byte first.
        rate: Samples a second of raw PCM.
        patience: Seconds without audio after which that is said.
    """

    pace: Literal["own", "fast"] | None = None
    encoding: Encoding = "s16"
    rate: int = 16_000
    patience: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.patience < float("inf"):
            raise ValueError(f"--patience {self.patience:g}: give seconds over 0")


AS_IT_COMES = Listening()


def listen(
    path: Path,
    listener: StreamingDetector,
    how: Listening,
    *,
    allow_damaged: bool,
    out: Path | None,
) -> int:
    """Judge a stream until it ends.

    Args:
        path: of a recording, or `STANDARD_INPUT`.
        listener: new.
        how: it comes.
        allow_damaged: let a recording end where it is damaged.
        out: file for the lines of JSON.

    Raises:
        StreamError, AudioError: it is no audio, or ends where it should not; decisions that were
            made before are told by then, and there is none of the end.
    """
    is_live = (how.pace or ("own" if path == STANDARD_INPUT else "fast")) == "own"
    if path == STANDARD_INPUT:
        blocks = pcm_blocks(_standard_input(), how.encoding, how.rate)
    else:
        blocks = stream_recording(path, allow_damaged=allow_damaged)
        blocks = played(blocks) if is_live else blocks
    with ExitStack() as held:
        tell = _Teller(held, out)
        try:
            if is_live:
                listener.warm_up()
                _as_it_comes(LiveAudio(blocks), listener, how.patience, tell)
            else:
                for block in blocks:
                    for decision in listener.feed(block):
                        tell(decision, None)
            if (last := listener.close()) is not None:
                tell(last, None)
        except KeyboardInterrupt:
            return interrupts.status()
        finally:
            tell.summary(listener.position)
    return 0


def pcm_blocks(file: BinaryIO, encoding: Encoding, rate_hz: int) -> Iterator[Waveform]:
    """Raw PCM as it comes, as blocks (n,) at 16 kHz.

    Raises:
        StreamError: no rate of audio, no bytes at all, what is no number, or an end within a
            sample, after all that is before it.
    """
    stream = PcmStream(encoding, rate_hz)
    has_come = False
    while content := file.read1(READ_BYTES):  # type: ignore[attr-defined]  # of buffered files
        has_come = True
        yield stream.feed(content)
    if not has_come:
        raise StreamError("nothing came from standard input: pipe raw PCM into it")
    rest, fault = stream.close()
    yield rest
    if fault is not None:
        raise StreamError(fault)


def _standard_input() -> BinaryIO:
    if sys.stdin.isatty():
        raise StreamError(
            "standard input is a terminal: pipe raw PCM into it, such as ffmpeg -i CALL -f s16le "
            "-ac 1 -ar 16000 - | fakemamba detect - --stream ..."
        )
    return sys.stdin.buffer


def _as_it_comes(
    audio: LiveAudio, listener: StreamingDetector, patience_s: float, tell: Tell
) -> None:
    while (came := audio.take(patience_s)) is not None:
        if not len(came.samples):
            say(f"no audio for {patience_s:g} s; waiting", file=sys.stderr)
            continue
        for decision in listener.feed(came.samples, at=came.at, only_latest=True):
            tell(decision, time.monotonic() - came.arrived_s)


class _Teller:
    """Tells decisions, and how it went."""

    def __init__(self, held: ExitStack, out: Path | None) -> None:
        self._file = None if out is None else held.enter_context(out.open("w", encoding="utf-8"))
        self._line: Live | None = None
        if sys.stdout.isatty():
            self._line = held.enter_context(Live(console=Console(), auto_refresh=False))
        self._began_s = time.monotonic()
        self._count = self._skipped = 0

    def __call__(self, decision: StreamDecision, delay_s: float | None) -> None:
        """Tell one, which came so many seconds after its audio."""
        self._count += 1
        if decision.missing_s:
            say(
                f"behind by more than is kept: {decision.missing_s:.2f} s of audio are lost before "
                f"{decision.at_s:.2f} s, and windows began anew after it",
                file=sys.stderr,
            )
        if decision.skipped and not self._skipped:
            say(
                f"behind at {decision.at_s:.2f} s: audio comes faster than it is judged, so some "
                f"decisions are left out ({decision.skipped} so far)",
                file=sys.stderr,
            )
        self._skipped += decision.skipped
        text = json.dumps(decision.to_json() | {"delay_s": delay_s}, allow_nan=False)
        if self._file is not None:
            print(text, file=self._file, flush=True)
        if self._line is not None:
            self._line.update(Text(visible(_words(decision))), refresh=True)
        else:
            print(text, flush=True)

    def summary(self, position: int) -> None:
        """Tell how many there were, of a stream of so many samples."""
        took_s = time.monotonic() - self._began_s
        say(
            f"{self._count} decisions of {position / SAMPLE_RATE_HZ:.2f} s of audio in "
            f"{took_s:.2f} s, {self._skipped} left out",
            file=sys.stderr,
        )


def _words(decision: StreamDecision) -> str:
    """A decision on one line."""
    at = f"{decision.at_s:9.2f} s"
    if decision.judgement is None:
        return f"{at}  {decision.status}"
    one = decision.judgement
    words = [at, f"score {one.score:+.3f}"]
    if one.spoof_probability is not None:
        words.append(f"P(spoof) {per_cent(one.spoof_probability)}")
    if one.verdict is not None:
        words.append(verdict_words(one.verdict))
    return "  ".join(words)
