"""A front-end that an engine runs, in the place of the one that it was made of."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fakemamba.files import bytes_in, files_sha256, json_text
from fakemamba.models.execution.engines.engine import Engine
from fakemamba.models.execution.engines.kept import kept_files
from fakemamba.models.execution.engines.onnx_runtime import OnnxRuntime
from fakemamba.models.execution.engines.open_vino import OpenVino
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.frontend import Frontend
from fakemamba.models.frontends.normalising import normalised
from fakemamba.models.frontends.s3prl import filled_up, fitted
from fakemamba.models.state_dicts import tensors_sha256

MOST_TOLD = 300  # characters of an engine's own message

OUTSIDE = ("name", "waveform", "frames", "attention")  # of the graph

ENGINES: dict[str, Engine] = {one.name: one for one in (OnnxRuntime(), OpenVino())}


@dataclass(frozen=True)
class EngineStart:
    """How an engine was started.

    Attributes:
        engine: its name.
        packages: with their versions.
        precision: of its products.
        threads: that it may use, as many as torch had.
        from_cache: whether its files were kept, and not made.
        made_s: seconds until they were there, with the hash of the weights.
        loaded_s: seconds that the engine then took to load and compile them.
        files_bytes: of all of them.
    """

    engine: str
    packages: str
    precision: str
    threads: int
    from_cache: bool
    made_s: float
    loaded_s: float
    files_bytes: int

    @property
    def cold_start_s(self) -> float:
        """Seconds before the first call."""
        return self.made_s + self.loaded_s

    def to_json(self) -> dict[str, Any]:
        """As records have it."""
        return asdict(self) | {"cold_start_s": self.cold_start_s}


_starts: list[EngineStart] = []  # of this process


def engine_starts() -> list[EngineStart]:
    """The engines that this process has started, in their order."""
    return list(_starts)


class EngineFrontend(nn.Module):
    """`Frontend` without gradients, by an engine: waveforms (B, L) to features in fp32, on a CPU.

    It has the threads that torch has when it is made.

    Args:
        frontend: whose weights are taken.
        engine: a key of `ENGINES`.
        precision: one of the engine's.
        examples: waveforms (n, samples) of speech, for engines that take ranges of activations from
            them.

    Attributes:
        start: how it was started.
        num_parameters: of the front-end that it was made of.

    Raises:
        UnsupportedSettingError: the engine cannot be used here, or does not run this front-end.
    """

    def __init__(
        self, frontend: Frontend, engine: str, precision: str, examples: Tensor | None = None
    ) -> None:
        super().__init__()
        self.config = frontend.config
        made_by = ENGINES[engine]
        made_by.check(precision)
        from fakemamba.models.execution.engines.network import build, check_network
        from fakemamba.models.execution.engines.onnx_graph import OnnxGraph

        check_network(frontend.config)
        self.num_parameters = sum(one.numel() for one in frontend.parameters())
        if precision not in made_by.calibrated:
            examples = None  # files of another precision do not depend on them

        def make(folder: Path) -> None:
            is_int8 = precision in made_by.dynamic
            with torch.no_grad(), OnnxGraph(folder, int8=is_int8) as graph:
                graph.write(features=build(graph, frontend).features)
            made_by.convert(folder, precision, examples)

        began_s = time.perf_counter()
        threads = torch.get_num_threads()
        try:
            with kept_files(_made_of(frontend, made_by, precision, examples), make) as kept:
                folder, from_cache = kept
                made_s = time.perf_counter() - began_s
                self._run = made_by.open(folder, precision, threads)
                size = bytes_in(folder)
        except (ValueError, OSError, MemoryError):
            raise
        except Exception as error:  # of a dozen kinds of its own, as of an operator that it lacks
            line = " ".join(str(error).split()) or type(error).__name__
            raise UnsupportedSettingError(
                f"{made_by.versions(precision)} cannot run the front-end {self.config.name} in "
                f"{precision}: {line[:MOST_TOLD]}"
            ) from error
        self.start = EngineStart(
            engine,
            made_by.versions(precision),
            precision,
            threads,
            from_cache,
            made_s,
            time.perf_counter() - began_s - made_s,
            size,
        )
        _starts.append(self.start)

    def set_attention(self, kind: str) -> None:
        """Attention is the engine's.

        Raises:
            UnsupportedSettingError: another kind than ``sdpa``, the usual one.
        """
        if kind != "sdpa":
            raise UnsupportedSettingError(f"an engine has no {kind} attention, but its own: sdpa")

    @torch.no_grad()
    def forward(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See `Frontend.forward`."""
        num_samples, framing = waveforms.shape[1], self.config.framing
        framing.check(num_samples, num_samples, 1, self.config.name)
        given, valid = filled_up(waveforms.detach().float(), lengths, self.config)
        given = normalised(given, valid, self.config.waveform).contiguous()
        full = torch.full((len(given),), given.shape[1])
        features = self._run(given, full if valid is None else valid.long())[0]
        own = None if lengths is None else framing.frame_counts(lengths)
        return fitted(features, num_samples, lengths, self.config), own


def _made_of(
    frontend: Frontend, engine: Engine, precision: str, examples: Tensor | None
) -> dict[str, str]:
    """All that an engine's files depend on; the graph has nothing of how a waveform is prepared."""
    state = dict(frontend.model.state_dict())
    if frontend.layer_sum is not None:
        state["layer_sum"] = frontend.layer_sum.weights.detach()
    network = {key: one for key, one in asdict(frontend.config).items() if key not in OUTSIDE}
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return {
        "weights_sha256": tensors_sha256(state),
        "network": json_text(network),
        "engine": engine.name,
        "packages": engine.versions(precision),
        "precision": precision,
        "examples_sha256": "none" if examples is None else tensors_sha256({"": examples}),
        "sources_sha256": files_sha256(sources),
    }
