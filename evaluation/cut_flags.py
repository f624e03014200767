"""Whether a map finds cuts or synthesis: which frames it flags near cuts, and which away from them.

Detectors of spliced speech learn the seam rather than what is between seams. Recordings without
spoof that are spliced of bona fide pieces (controls) tell these apart: they have cuts and nothing
else to find. And what is synthetic is so away from its cuts, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakemamba.evaluation.bootstrap import Interval
from fakemamba.evaluation.metrics.checks import Floats
from fakemamba.evaluation.metrics.segments import (
    FrameRule,
    FrameScores,
    Segments,
    cuts_s,
    frame_labels,
    near_cuts,
)

# Which frames' flags are counted: recordings with spoof or controls; near cuts or away from them;
# and away from them, spoofed frames and bona fide ones of the same recordings.
PLACES = {
    "control_near": "in controls, near cuts",
    "control_away": "in controls, away from cuts",
    "spoof_near": "in spoofs, near cuts",
    "spoof_away": "in spoofs, away from cuts",
    "spoof_away_spoofed": "of these, spoofed",
    "spoof_away_bonafide": "of these, bona fide",
}
EFFECTS = {
    "effect_of_cuts": ("control_near", "control_away"),
    "effect_of_synthesis": ("spoof_away_spoofed", "spoof_away_bonafide"),
}
SHARES = (*(f"flagged_{place}" for place in PLACES), *EFFECTS)
LEAST_EFFECT = 0.05  # smaller ones are of no weight, however sure they are
RULE = (
    "The effect of cuts is the share of frames that are flagged near cuts of controls, less that "
    "away from them; the effect of synthesis is the share of spoofed frames away from cuts that "
    "are flagged, less that of bona fide ones of the same recordings. An effect is there if its "
    f"whole 95 % interval is above {100 * LEAST_EFFECT:g} points, and not there if all of it is "
    "below."
)
# By the effect of cuts and that of synthesis: there, not there, or neither known.
VERDICTS = {
    (True, False): "finds cuts, not synthesis",
    (True, True): "finds synthesis, and cuts as well",
    (True, None): "finds cuts, and whether synthesis as well is not settled",
    (False, True): "finds synthesis, not explained by cuts",
    (None, True): "finds synthesis, and whether cuts as well is not settled",
    (False, False): "finds neither cuts nor synthesis",
    (False, None): "does not find cuts, and whether synthesis is not settled",
    (None, False): "does not find synthesis, and whether cuts is not settled",
    (None, None): "cuts or synthesis is not settled",
}


@dataclass(frozen=True, eq=False)
class CutFlags:
    """How many frames of each recording are flagged, and how many there are, in `PLACES`.

    ``flagged`` and ``frames`` are (places, recordings). ``lacks`` says why there is no answer, if
    there is none.
    """

    flagged: Floats
    frames: Floats
    lacks: str | None

    @classmethod
    def of(
        cls,
        scores: FrameScores,
        segments: Segments,
        threshold: float,
        *,
        frame_s: float,
        rule: FrameRule,
        reach_s: float,
    ) -> CutFlags:
        """Count the frames that have a label.

        Args:
            scores: of each recording.
            segments: of each recording.
            threshold: a frame under it is flagged; NaN if there is none.
            frame_s: how long a frame is, in seconds.
            rule: what labels a frame.
            reach_s: how far from a cut a frame's centre is near it.
        """
        flagged, frames = np.zeros((2, len(PLACES), len(scores)))
        controls = 0
        for number, (name, values) in enumerate(scores.items()):
            parts = segments[name]
            if not len(cuts_s(parts)):
                continue
            is_control = all(one.is_bonafide for one in parts)
            controls += is_control
            labels = frame_labels(len(values), parts, frame_s, rule)
            near, known = near_cuts(len(values), parts, frame_s, reach_s), labels >= 0
            rows = _places(is_control, near, labels)
            for place, chosen in rows.items():
                row = list(PLACES).index(place)
                frames[row, number] = (chosen & known).sum()
                flagged[row, number] = (chosen & known & (values < threshold)).sum()
        lacks = None
        if not np.isfinite(threshold):
            lacks = "no threshold was chosen on development recordings"
            flagged[:], frames[:] = 0, 0
        elif not controls:
            lacks = "no recording without spoof has a cut, between two bona fide segments"
        return cls(flagged, frames, lacks)

    def shares(self, counts: npt.NDArray[np.int32]) -> list[float]:
        """`SHARES` where each recording counts so often (recordings,); NaN if there is none."""
        flagged, frames = self.flagged @ counts, self.frames @ counts
        found = np.divide(flagged, frames, out=np.full(len(PLACES), np.nan), where=frames > 0)
        by_place = dict(zip(PLACES, found.tolist(), strict=True))
        effects = [by_place[one] - by_place[other] for one, other in EFFECTS.values()]
        return [*by_place.values(), *effects]

    def in_words(self, figures: Mapping[str, float], intervals: Mapping[str, Interval]) -> str:
        """The answer by `RULE`, or why there is none."""
        if self.lacks is not None:
            return f"cuts or synthesis is not known: {self.lacks}"
        if not all(name in intervals for name in EFFECTS):
            return "cuts or synthesis is not known: there are no intervals of both effects"
        cuts, synthesis = (_is_there(intervals[name]) for name in EFFECTS)
        return f"{VERDICTS[cuts, synthesis]}: {_because(figures, intervals)}"


def _is_there(effect: Interval) -> bool | None:
    if effect.low > LEAST_EFFECT:
        return True
    return False if effect.high < LEAST_EFFECT else None


def _places(
    is_control: bool, near: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.bool_]]:
    if is_control:
        return {"control_near": near, "control_away": ~near}
    return {
        "spoof_near": near,
        "spoof_away": ~near,
        "spoof_away_spoofed": ~near & (labels == 0),
        "spoof_away_bonafide": ~near & (labels == 1),
    }


def _because(figures: Mapping[str, float], intervals: Mapping[str, Interval]) -> str:
    def share(name: str) -> str:
        return f"{100 * figures[f'flagged_{name}']:.1f} %"

    def effect(name: str) -> str:
        low, high = intervals[name].low, intervals[name].high
        return f"difference {100 * low:+.1f} to {100 * high:+.1f}"

    return (
        f"of controls it flags {share('control_near')} of frames near cuts and "
        f"{share('control_away')} away from them ({effect('effect_of_cuts')}); away from cuts, "
        f"{share('spoof_away_spoofed')} of spoofed frames and {share('spoof_away_bonafide')} of "
        f"bona fide ones beside them ({effect('effect_of_synthesis')})"
    )
