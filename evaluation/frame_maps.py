"""Where in recordings a detector hears a spoof: maps of many, and the plain one, by windows.

`fakemamba.models.maps` looks into a detector. ``windows`` does not: it has short windows scored, as
they would be alone, and gives each frame the mean of those that cover it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import tyro

from fakemamba.data.audio import SAMPLE_RATE_HZ, Waveform
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import Trial
from fakemamba.evaluation.frame_classifier import SUPERVISED, FrameClassifier
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.scoring import score_batches, scoring_function
from fakemamba.evaluation.streams.detector import check_windows
from fakemamba.evaluation.streams.scoring import window_batches, windows_of
from fakemamba.evaluation.streams.windowing import Seconds, Windowing
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.maps.methods import (
    METHODS,
    MapError,
    MapSettings,
    frame_maps,
    methods_of,
    shown_name,
)
from fakemamba.names import one_line

WINDOWS = "windows"
ALL_METHODS = (*METHODS, SUPERVISED, WINDOWS)

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MapWindows:
    """The windows of the method `WINDOWS`; silence is judged like everything else.

    Attributes:
        window: Of the method windows: seconds that are judged together.
        hop: Of the method windows: seconds from the end of one to that of the next.

    Raises:
        WindowingError: numbers that cannot be, or a hop over a window.
    """

    window: Annotated[Seconds, tyro.conf.arg(metavar="S")] = 1.0
    hop: Annotated[Seconds, tyro.conf.arg(metavar="S")] = 0.2

    def __post_init__(self) -> None:
        _ = self.windowing

    @property
    def windowing(self) -> Windowing:
        """As streams are cut."""
        return Windowing(self.window, self.hop, "latest", speech_dbfs=None)


USUAL_SETTINGS, USUAL_WINDOWS = MapSettings(), MapWindows()


@dataclass(frozen=True, eq=False)
class Mapped:
    """A recording with its maps, or with the reason why it has none.

    Attributes:
        trial: of which it is.
        waveform: (samples,) at 16 kHz; None if it could not be read.
        maps: by the methods, scores (frames,), higher is more bona fide; none if there is a reason.
        reason: why there are none.
        damage: what is missing of the recording, if it is not all.
    """

    trial: Trial
    waveform: Waveform | None = None
    maps: Mapping[str, Scores] = field(default_factory=dict)
    reason: str | None = None
    damage: str | None = None


class Mapper:
    """Makes maps by chosen methods.

    Args:
        detector: in eval mode, on its device.
        methods: of `ALL_METHODS`; none takes all that the detector has.
        settings: of methods that look into it.
        windows: of the method `WINDOWS`.
        classifier: for the method `SUPERVISED`, fitted to this detector.

    Raises:
        MapError: a method that there is not, or that this detector does not have.
        WindowingError: windows that are shorter than it takes.
        ExternalDetectorError: code of others fails.
    """

    def __init__(
        self,
        detector: Detector,
        methods: Sequence[str] = (),
        settings: MapSettings = USUAL_SETTINGS,
        windows: MapWindows = USUAL_WINDOWS,
        classifier: FrameClassifier | None = None,
    ) -> None:
        check_methods(methods)
        self._known = dict(METHODS)
        if classifier is not None:
            self._known[SUPERVISED] = classifier.method()
        elif SUPERVISED in methods:
            raise MapError(f"{SUPERVISED} is by a --classifier, which localize-fit makes: give one")
        has = self._methods_of(detector)
        for name in methods:
            if name not in has:
                of = "" if detector.taught == Detector.taught else f", taught {detector.taught},"
                raise MapError(f"{shown_name(detector)}{of} has no {name}; it has {', '.join(has)}")
        self.detector = detector
        self.methods = tuple(dict.fromkeys(methods)) or has
        self.settings, self.windows = settings, windows
        if WINDOWS in self.methods:
            check_windows(detector, windows.windowing)
            self._manner = Manner()
            self._scores = scoring_function(detector, self._manner)

    def _methods_of(self, detector: Detector) -> tuple[str, ...]:
        """Those of its scores are none of a detector that was taught something else."""
        has = (*methods_of(detector, self._known), WINDOWS)
        if detector.taught == Detector.taught:
            return has
        of_scores = {WINDOWS, *(name for name, one in METHODS.items() if one.is_signed)}
        return tuple(name for name in has if name not in of_scores)

    @property
    def frame_s(self) -> float:
        """How long a frame is, in seconds."""
        return self.detector.framing.hop_samples / SAMPLE_RATE_HZ

    def told(self) -> dict[str, dict[str, Any]]:
        """What each method is, for records."""
        return {name: self._told(name) for name in self.methods}

    def maps(self, waveform: Waveform) -> dict[str, Scores]:
        """The maps of one recording (samples,) at 16 kHz, by the methods.

        Raises:
            MapError: a map that is not finite.
            UnsupportedInputError, ExternalDetectorError: the detector does not take it.
        """
        given = torch.from_numpy(waveform).to(self.detector.device)
        inner = [name for name in self.methods if name != WINDOWS]
        found = frame_maps(self.detector, given, inner, self.settings, self._known)
        maps = {name: one.cpu().numpy() for name, one in found.items()}
        if WINDOWS in self.methods:
            maps[WINDOWS] = self._by_windows(waveform)
        for name, scores in maps.items():
            if not np.isfinite(scores).all():
                raise MapError(f"the map by {name} is not finite")
        return maps

    def map_trials(
        self, trials: Iterable[Trial], *, allow_damaged: bool = False
    ) -> Iterator[Mapped]:
        """Maps of recordings, one after the other, in their order.

        Args:
            trials: read lazily.
            allow_damaged: take what is left of damaged recordings.
        """
        for trial in trials:
            recording = recording_or_reason(trial, allow_damaged=allow_damaged)
            if isinstance(recording, str):
                yield Mapped(trial, reason=recording)
                continue
            waveform, damage = recording.waveform, recording.damage
            try:
                yield Mapped(trial, waveform, self.maps(waveform), damage=damage)
            except (MapError, UnsupportedInputError, ExternalDetectorError) as error:
                reason = f"{trial.path}: {one_line(str(error))}"
                yield Mapped(trial, waveform, reason=reason, damage=damage)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                duration_s = len(waveform) / SAMPLE_RATE_HZ
                reason = f"{trial.path}: out of memory with {duration_s:.1f} s; cut it, or map it "
                yield Mapped(trial, waveform, reason=f"{reason}by fewer methods", damage=damage)

    def _told(self, name: str) -> dict[str, Any]:
        if name == WINDOWS:
            return {
                "summary": "mean score of the short windows that cover a frame",
                "is_signed": True,
                "unit": "score",
                "settings": asdict(self.windows),
            }
        method = self._known[name]
        return {
            "summary": method.summary,
            "is_signed": method.is_signed,
            "unit": method.unit,
            "settings": {one: getattr(self.settings, one) for one in method.settings},
        }

    def _by_windows(self, waveform: Waveform) -> Scores:
        """The mean score of the windows that cover each frame's middle (frames,)."""
        windowing, limit = self.windows.windowing, self._manner.budget_samples
        full = min(windowing.window_samples, len(waveform))  # those before it are only shorter
        windows = windows_of(waveform, windowing, full)
        batches = window_batches([windows], limit)
        scored = score_batches(self._scores, batches, self.detector.device, limit)
        found = {one.trial.trial_id: one for some in scored for one in some}
        hop = self.detector.framing.hop_samples
        middles = np.arange(self.detector.framing.frame_count(len(waveform))) * hop + hop // 2
        middles = np.minimum(middles, len(waveform) - 1)  # a front-end may make frames of its end
        sums, counts = np.zeros((2, len(middles)))
        for number, window in enumerate(windows):
            if window.waveform is None:
                continue
            one = found[f"0:{number}"]
            if one.score is None:
                raise MapError(f"the window at {window.start / SAMPLE_RATE_HZ:.2f} s: {one.reason}")
            covered = (window.start <= middles) & (middles < window.end)
            sums[covered] += one.score
            counts[covered] += 1
        return (sums / counts).astype(np.float32)


def check_methods(methods: Iterable[str]) -> None:
    """Refuse methods that there are not, before any work.

    Raises:
        MapError: with the nearest name.
    """
    for name in methods:
        if name not in ALL_METHODS:
            guesses = get_close_matches(name, ALL_METHODS, n=1, cutoff=0.4)
            hint = f"did you mean {guesses[0]}? " if guesses else ""
            known = ", ".join(ALL_METHODS)
            raise MapError(f"unknown method {one_line(name)!r}; {hint}There are: {known}")
