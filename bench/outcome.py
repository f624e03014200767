"""The record that every cell ends in, whether it has a time or not, and the visits in it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fakemamba.bench.cells import AnyCell
from fakemamba.result_schema import LEAST_COVERAGE
from fakemamba.visits import LEAST_VISITS, interval, percentiles, that_count

if TYPE_CHECKING:  # the gate reads outcomes without torch
    from fakemamba.bench.instruments.rounds import Effort

MOST_MFU = 1.1  # above, the product was no ceiling: some CPUs have no fast one in fp16


@dataclass(frozen=True)
class Visit:
    """A few timed calls in a row.

    Attributes:
        number: of the pass.
        rounds_s: what every round took, in seconds on the device.
        host_s: their median at the host, until the result is there,
        enqueue_s: and until the work is queued.
        disturbed_by: what else the machine did meanwhile.
        unix_time_s: when it began.
    """

    number: int
    rounds_s: tuple[float, ...]
    host_s: float
    enqueue_s: float
    disturbed_by: tuple[str, ...]
    unix_time_s: float

    @property
    def figure_s(self) -> float:
        """The median of its rounds."""
        return statistics.median(self.rounds_s)

    def to_json(self) -> dict[str, Any]:
        """An entry of ``visits``."""
        fields = asdict(self)
        return {"pass": fields.pop("number"), **fields}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Visit:
        """What `to_json` made of it."""
        fields = dict(entry)
        rounds_s, disturbed_by = tuple(fields.pop("rounds_s")), tuple(fields.pop("disturbed_by"))
        number = fields.pop("pass")
        return cls(number, rounds_s=rounds_s, disturbed_by=disturbed_by, **fields)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended, or how far it has come.

    Attributes:
        cell: what was to be measured.
        status: one of ``STATUSES``; only ``measured`` has a time.
        reason: why there is none.
        details: figures that no later visit changes, with units in their names.
        visits: in the order of their passes.
        traceback: of a cell that failed.
    """

    cell: AnyCell
    status: str
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    visits: tuple[Visit, ...] = ()
    traceback: str | None = None

    @property
    def counted(self) -> tuple[Visit, ...]:
        """The visits that make its figures: no disturbed ones where there are enough others."""
        return tuple(
            self.visits[place] for place in that_count([bool(v.disturbed_by) for v in self.visits])
        )

    @property
    def samples_s(self) -> tuple[float, ...]:
        """The figures of the visits that count, in seconds."""
        return tuple(visit.figure_s for visit in self.counted)

    @property
    def timed_s(self) -> float:
        """Seconds of all rounds of them."""
        return sum(sum(visit.rounds_s) for visit in self.counted)

    @property
    def quiet(self) -> int:
        """How many visits nothing disturbed."""
        return sum(not visit.disturbed_by for visit in self.visits)

    @property
    def helpful(self) -> int:
        """How many visits nothing disturbed; all, of three or more, where fewer than a third were.

        Then more hardly help, as what disturbs them may be the work itself: where a call takes much
        new memory, the host of a virtual machine is busy with it, and that counts as stolen.
        """
        visits = len(self.visits)
        return visits if visits >= LEAST_VISITS and 3 * self.quiet < visits else self.quiet

    def lacking(self, effort: Effort) -> int:
        """How many helpful visits it needs yet, at the least; negative where it has more."""
        return effort.visits_needed(statistics.median(self.samples_s)) - self.helpful

    def enough_by(self, effort: Effort) -> str | None:
        """Why it has enough visits, as `Effort.stopped_by`.

        Where disturbed ones count for want of three others, it may have twice as many as it needs.
        """
        why = effort.stopped_by(self.samples_s, self.timed_s, len(self.visits))
        if why is None or self.quiet >= LEAST_VISITS:
            return why
        needed = effort.visits_needed(statistics.median(self.samples_s))
        most = min(2 * needed, effort.most_visits) if needed >= LEAST_VISITS else needed
        return why if len(self.visits) >= most else None

    def and_then(self, later: Outcome) -> Outcome:
        """What this and a later visit are together; how the last one ended is how the cell did."""
        last = self.visits[-1].number if self.visits else -1
        added = tuple(visit for visit in later.visits if visit.number > last)
        return replace(later, details=self.details | later.details, visits=self.visits + added)

    def stopped(self, why: str | None) -> Outcome:
        """The same, saying why it has no more visits."""
        if self.status != "measured":
            return self
        return replace(self, details=self.details | {"stopped_by": why})

    def to_json(self) -> dict[str, Any]:
        """The result's ``extra_info``."""
        visits = [visit.to_json() for visit in self.visits]
        return {
            **self.cell.to_json(),
            "status": self.status,
            "reason": self.reason,
            **self.details,
            **self._figures(),
            **({"visits": visits} if visits else {}),
        }

    def to_record(self) -> dict[str, Any]:
        """All but the cell, as JSON; `from_record` reads it."""
        own = {name: value for name, value in vars(self).items() if name != "cell"}
        return own | {"visits": [visit.to_json() for visit in self.visits]}

    @classmethod
    def from_entry(cls, cell: AnyCell, entry: dict[str, Any]) -> Outcome:
        """The outcome of a cell in a result's ``benchmarks``, where `to_json` is ``extra_info``.

        The entry is one that `fakemamba.bench.sweep.saved.saved_result` has checked.
        """
        info = dict(entry["extra_info"])
        visits = tuple(Visit.from_json(one) for one in info.pop("visits", ()))
        planned = {**cell.to_json(), "status": info["status"], "reason": info["reason"]}
        details = {
            name: value
            for name, value in info.items()
            if name not in planned or planned[name] != value
        }
        whole = cls(cell, info["status"], info["reason"], details, visits)
        follows = whole._figures()
        kept = {name: value for name, value in details.items() if name not in follows}
        return replace(whole, details=kept)

    @classmethod
    def from_record(cls, cell: AnyCell, record: dict[str, Any]) -> Outcome:
        """The outcome of a cell that `to_record` wrote."""
        visits = tuple(Visit.from_json(one) for one in record["visits"])
        return cls(cell, **{**record, "visits": visits})

    def _figures(self) -> dict[str, Any]:
        """What the visits say of a cell that was measured to the end, and what follows from it.

        ``host_latency_s`` is until the result is there, ``enqueue_s`` until the work is queued.
        """
        if self.status != "measured" or not self.visits:
            return {}
        latency_s = statistics.median(self.samples_s)
        low_s, high_s = interval(self.samples_s) or (None, None)
        disturbed_by = dict.fromkeys(why for visit in self.counted for why in visit.disturbed_by)
        return {
            "latency_s": latency_s,
            "latency_low_s": low_s,
            "latency_high_s": high_s,
            "host_latency_s": statistics.median(visit.host_s for visit in self.counted),
            "enqueue_s": statistics.median(visit.enqueue_s for visit in self.counted),
            "disturbed_by": list(disturbed_by),
            **self._percentiles(),
            **_rates({**self.cell.to_json(), **self.details}, latency_s),
        }

    def _percentiles(self) -> dict[str, float]:
        """Of single decisions on a stream."""
        if self.cell.to_json()["cell"]["hop_s"] is None:
            return {}
        return percentiles([one_s for visit in self.counted for one_s in visit.rounds_s])


def _rates(known: Mapping[str, Any], latency_s: float) -> dict[str, Any]:
    """Real-time factor (at batch 1), audio seconds a second, and how well the device is used.

    A stream has its cost for a second of audio in their place.
    """
    cell, rates = known["cell"], dict[str, Any]()
    if cell["part"] == "scan":
        rates["bytes_per_s"] = known["must_move_bytes"] / latency_s
    elif cell["hop_s"] is not None:
        rates["cost_s_per_s"] = latency_s / cell["hop_s"]
    else:
        is_inference = not cell["part"].startswith("training")
        audio_s = cell["batch_size"] * cell["duration_s"]
        rates["rtf"] = latency_s / audio_s if is_inference and cell["batch_size"] == 1 else None
        rates["throughput"] = audio_s / latency_s
    if "overhead_s" in known:
        rates["overhead_share"] = known["overhead_s"] / latency_s
    if known.get("device_only_s") is not None:
        rates["launch_bound_share"] = max(0.0, 1 - known["device_only_s"] / latency_s)
    if known.get("matmul_flops_per_s") is not None and known.get("flops") is not None:
        mfu = known["flops"] / latency_s / known["matmul_flops_per_s"]
        trusted = known["flop_coverage"] >= LEAST_COVERAGE and mfu <= MOST_MFU
        rates["mfu"] = mfu if trusted else None
        rates["bandwidth_share"] = known["bytes_moved"] / latency_s / known["copy_bytes_per_s"]
    return rates
