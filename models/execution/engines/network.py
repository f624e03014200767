"""wav2vec 2.0, HuBERT and WavLM as an ONNX graph, with masks by length in it.

It computes what the network of a `Frontend` does of waveforms as that prepares them, of any output:
no valid frame depends on padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor, nn

from fakemamba.models.execution.engines.onnx_graph import OnnxGraph
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontends.framing import Framing

FAMILIES = ("wav2vec2", "hubert", "wavlm")
CONVOLUTIONS = "convolutions"  # the group of all that is before the first layer
UNSEEN = -1e30  # added to what attention may not see: its exponential is 0 in any precision


def check_network(config: FrontendConfig) -> None:
    """Refuse front-ends that there is no graph of.

    Raises:
        UnsupportedSettingError: it is of another family.
    """
    if config.family not in FAMILIES:
        raise UnsupportedSettingError(
            f"engines have no graph of {config.build.title} ({config.name}), but of wav2vec 2.0, "
            "HuBERT and WavLM: run the plain front-end, eager"
        )


def groups_of(config: FrontendConfig) -> tuple[str, ...]:
    """Names of the groups of nodes in a graph of a front-end: what is before its layers, these."""
    return (CONVOLUTIONS, *map(str, range(config.num_layers)))


@dataclass(frozen=True)
class NetworkValues:
    """Values in a graph.

    Attributes:
        features: what the front-end gives, (B, T, hidden) or (B, states, T, hidden).
        states: the input of the first layer and each layer's output, (B, T, hidden) each, before
            the final norm.
    """

    features: str
    states: tuple[str, ...]


def build(
    graph: OnnxGraph, frontend: Frontend, waveforms: str = "waveforms", lengths: str = "lengths"
) -> NetworkValues:
    """Put a front-end's network into a graph, of waveforms (B, L) and lengths (B,) there.

    Raises:
        UnsupportedSettingError: see `check_network`.
    """
    check_network(frontend.config)
    return _Network(graph, frontend, lengths).built(waveforms)


class _Network:
    """One way through a network; sizes that a call decides are the graph's own."""

    def __init__(self, graph: OnnxGraph, frontend: Frontend, lengths: str) -> None:
        self.graph, self.frontend, self.config = graph, frontend, frontend.config
        self.lengths = lengths
        self.model: Any = frontend.model

    def built(self, waveforms: str) -> NetworkValues:
        first, *groups = groups_of(self.config)
        with self.graph.group(first):
            frames, unseen, distances = self._before_layers(waveforms)
        states = [frames]
        for group, layer in zip(groups, self.frontend.layers, strict=True):
            with self.graph.group(group):
                states.append(self._layer(states[-1], layer, unseen, distances))
        return NetworkValues(self._put_out(states), tuple(states))

    def _before_layers(self, waveforms: str) -> tuple[str, str, str | None]:
        """What the first layer is given, and what is added to attention in all of them.

        Frames (B, T, hidden), 0 or `UNSEEN` (B, 1, 1, T), and WavLM's distances (heads, T, T).
        """
        add, config = self.graph.node, self.config
        frames = self._frames(self._unsqueezed(waveforms, 1))  # (B, channels, T)
        frames = add("Transpose", frames, perm=[0, 2, 1])
        projection = self.model.feature_projection
        frames = self._norm(frames, projection.layer_norm)
        frames = self._linear(frames, projection.projection)  # (B, T, hidden)
        valid = self._valid(self._counts(config.build.framing), self._size(frames, 1))  # (B, T)
        zero = self.graph.constant(0.0, np.float32)
        frames = add("Where", self._unsqueezed(valid, 2), frames, zero)
        frames = add("Add", frames, self._positions(frames))
        unseen = add("Where", valid, zero, self.graph.constant(UNSEEN, np.float32))
        unseen = self._unsqueezed(unseen, 1, 2)  # (B, 1, 1, T)
        distances = self._distances(frames) if config.family == "wavlm" else None
        if not config.pre_norm:
            frames = self._norm(frames, self.model.encoder.layer_norm)
        return frames, unseen, distances

    def _put_out(self, states: list[str]) -> str:
        """What `Frontend` gives of its states."""
        add, output = self.graph.node, self.config.output
        if self.config.pre_norm and (output == "last" or output.endswith("normed")):
            states = [*states[:-1], self._norm(states[-1], self.model.encoder.layer_norm)]
        if output.startswith("last"):
            return states[-1]
        if output.startswith("all"):
            return add("Concat", *(self._unsqueezed(one, 1) for one in states), axis=1)
        assert self.frontend.layer_sum is not None
        shares = self.frontend.layer_sum.weights.detach().softmax(0).tolist()
        weighted = [
            add("Mul", state, self.graph.constant(share, np.float32))
            for state, share in zip(states, shares, strict=True)
        ]
        return add("Sum", *weighted)

    def _frames(self, given: str) -> str:
        """(B, 1, samples) to (B, channels, T)."""
        add = self.graph.node
        for layer in self.model.feature_extractor.conv_layers:
            given = self._convolution(given, layer.conv, layer.conv.weight)
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):  # of the first convolution, a group a channel
                counts = self._counts(Framing(layer.conv.kernel_size[0], layer.conv.stride[0]))
                given = self._group_norm(given, norm, counts)
            elif norm is not None:
                given = add("Transpose", given, perm=[0, 2, 1])
                given = add("Transpose", self._norm(given, norm), perm=[0, 2, 1])
            given = add("Gelu", given)
        return given

    def _group_norm(self, given: str, norm: nn.GroupNorm, counts: str) -> str:
        """(B, channels, T) to the same, by mean and variance of the frames that are valid."""
        add, graph = self.graph.node, self.graph
        valid = self._unsqueezed(self._valid(counts, self._size(given, 2)), 1)  # (B, 1, T)
        counts = self._unsqueezed(add("Cast", counts, to=TensorProto.FLOAT), 1, 2)
        zero, time = graph.constant(0.0, np.float32), graph.constant([2])
        total = add("ReduceSum", add("Where", valid, given, zero), time)
        centred = add("Where", valid, add("Sub", given, add("Div", total, counts)), zero)
        squares = add("ReduceSum", add("Mul", centred, centred), time)
        variance = add("Div", squares, counts)
        scale = add("Sqrt", add("Add", variance, graph.constant(norm.eps, np.float32)))
        normed = add("Mul", add("Div", centred, scale), graph.weight(norm.weight[:, None]))
        return add("Add", normed, graph.weight(norm.bias[:, None]))

    def _positions(self, frames: str) -> str:
        """The convolution that tells frames where they are: (B, T, hidden) to the same."""
        add, conv = self.graph.node, self.model.encoder.pos_conv_embed.conv
        around = conv.padding[0]
        # An even kernel makes a frame too many, which is cut off.
        pads = [around, around - (conv.kernel_size[0] + 1) % 2]
        given = add("Transpose", frames, perm=[0, 2, 1])
        given = add("Gelu", self._convolution(given, conv, conv.weight, pads))
        return add("Transpose", given, perm=[0, 2, 1])

    def _distances(self, frames: str) -> str:
        """What WavLM's layers add to attention by distance, before their gates: (heads, T, T)."""
        add, constant = self.graph.node, self.graph.constant
        attention: Any = self.frontend.layers[0].attention
        most = attention.max_distance  # beyond it, all have the same bucket
        buckets = attention._relative_positions_bucket(torch.arange(-most, most + 1))
        places = add("Range", constant(0), self._size(frames, 1), constant(1))
        apart = add("Sub", self._unsqueezed(places, 0), self._unsqueezed(places, 1))
        apart = add("Add", add("Clip", apart, constant(-most), constant(most)), constant(most))
        table = self.graph.weight(attention.rel_attn_embed.weight[buckets].float())
        return add("Transpose", add("Gather", table, apart), perm=[2, 0, 1])

    def _gates(self, given: str, attention: Any) -> str:
        """How much of the distances each frame of WavLM takes, (B, heads, T, 1)."""
        add, linear = self.graph.node, attention.gru_rel_pos_linear
        shape = self.graph.constant([0, 0, attention.num_heads, linear.in_features])
        heads = add("Transpose", add("Reshape", given, shape), perm=[0, 2, 1, 3])
        # Its outputs are summed by fours, which is done here once for all.
        weight, bias = (one.unflatten(0, (2, 4)).sum(1) for one in (linear.weight, linear.bias))
        summed = add("MatMul", heads, self.graph.weight(weight.T.float()))
        opened = add("Sigmoid", add("Add", summed, self.graph.weight(bias.float())))
        outer, inner = self.graph.nodes("Split", opened, count=2, axis=-1, num_outputs=2)
        inner = add("Mul", inner, self.graph.weight(attention.gru_rel_pos_const.float()))
        inner = add("Sub", inner, self.graph.constant(1.0, np.float32))
        return add("Add", add("Mul", outer, inner), self.graph.constant(2.0, np.float32))

    def _layer(self, given: str, layer: Any, unseen: str, distances: str | None) -> str:
        """A layer's output, (B, T, hidden)."""

        def attended(one: str) -> str:
            return self._attention(one, layer.attention, unseen, distances)

        def fed(one: str) -> str:
            return self._feed_forward(one, layer.feed_forward)

        parts = ((layer.layer_norm, attended), (layer.final_layer_norm, fed))
        for norm, part in parts:
            if self.config.pre_norm:
                given = self.graph.node("Add", given, part(self._norm(given, norm)))
            else:
                given = self._norm(self.graph.node("Add", given, part(given)), norm)
        return given

    def _attention(self, given: str, attention: Any, unseen: str, distances: str | None) -> str:
        add, count = self.graph.node, attention.num_heads
        if distances is not None:
            unseen = add("Add", add("Mul", self._gates(given, attention), distances), unseen)
        width = self.config.hidden_size // count
        inward = (attention.q_proj, attention.k_proj, attention.v_proj)
        scales = (1 / math.sqrt(width), 1.0, 1.0)  # of queries, which is in their weights
        weight = torch.cat([one.weight * scale for one, scale in zip(inward, scales, strict=True)])
        bias = torch.cat([one.bias * scale for one, scale in zip(inward, scales, strict=True)])
        joined = self.graph.linear(given, weight, bias)
        shape = self.graph.constant([0, 0, 3, count, width])
        heads = add("Transpose", add("Reshape", joined, shape), perm=[2, 0, 3, 1, 4])
        first = self.graph.constant([0])
        queries, keys, values = (
            add("Squeeze", one, first)
            for one in self.graph.nodes("Split", heads, count=3, axis=0, num_outputs=3)
        )  # (B, heads, T, width) each
        keys = add("Transpose", keys, perm=[0, 1, 3, 2])
        seen = add("Softmax", add("Add", add("MatMul", queries, keys), unseen), axis=-1)
        mixed = add("Transpose", add("MatMul", seen, values), perm=[0, 2, 1, 3])
        flat = add("Reshape", mixed, self.graph.constant([0, 0, self.config.hidden_size]))
        return self._linear(flat, attention.out_proj)

    def _feed_forward(self, given: str, feed_forward: Any) -> str:
        wide = self.graph.node("Gelu", self._linear(given, feed_forward.intermediate_dense))
        return self._linear(wide, feed_forward.output_dense)

    def _linear(self, given: str, layer: nn.Linear) -> str:
        return self.graph.linear(given, layer.weight, layer.bias)

    def _norm(self, given: str, norm: Any) -> str:
        weights = (self.graph.weight(norm.weight.float()), self.graph.weight(norm.bias.float()))
        return self.graph.node("LayerNormalization", given, *weights, epsilon=norm.eps)

    def _convolution(
        self, given: str, conv: nn.Conv1d, weight: Tensor, pads: list[int] | None = None
    ) -> str:
        weights = [weight] if conv.bias is None else [weight, conv.bias]
        return self.graph.node(
            "Conv",
            given,
            *(self.graph.weight(one.float()) for one in weights),
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            group=conv.groups,
            pads=pads or [0, 0],
        )

    def _counts(self, framing: Framing) -> str:
        """Frames (B,) of the rows' valid samples; at least one, as all that are taken have."""
        add, constant = self.graph.node, self.graph.constant
        steps = add("Sub", self.lengths, constant(framing.first_samples - framing.hop_samples))
        return add("Div", steps, constant(framing.hop_samples))

    def _valid(self, counts: str, size: str) -> str:
        """(B, size): which values of a row are its own, of counts (B,)."""
        places = self.graph.node("Range", self.graph.constant(0), size, self.graph.constant(1))
        return self.graph.node("Less", places, self._unsqueezed(counts, 1))

    def _size(self, given: str, axis: int) -> str:
        """A scalar: how many there are along an axis."""
        sizes = self.graph.node("Shape", given)
        return self.graph.node("Gather", sizes, self.graph.constant(axis))

    def _unsqueezed(self, given: str, *axes: int) -> str:
        return self.graph.node("Unsqueeze", given, self.graph.constant(list(axes)))
