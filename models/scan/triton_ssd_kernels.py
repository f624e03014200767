"""The SSD scan as Triton kernels; docs/scan.md explains them.

Time is cut into chunks of ``CHUNK`` frames, and a program has one chunk of one head of one
utterance and direction. A chunk's states at its end (`summarise_chunks`) and its outputs
(`output_chunks`) are products of matrices; a short loop between the two carries states from chunk
to chunk (`join_chunks`). Frames stay in their own order: reversed, states go from the last chunk to
the first, and a frame sees those after it in place of those before.

Frames beyond an utterance's end have Δ = 0, which leaves every state as it is, and outputs of zero.
Sizes that are no power of two, or under 16, are filled up with zeros in registers.
"""

from __future__ import annotations

import triton
import triton.language as tl

from fakemamba.models.scan.triton_kernels import softplus


@triton.jit
def _program(lengths_ptr, batch, heads, reverse_mask):
    """What a program works on: its row, direction g, utterance b and its length, chunk, head."""
    row = tl.program_id(0).to(tl.int64)
    g, b = row // batch, row % batch
    is_reversed = ((reverse_mask >> g) & 1) != 0
    chunk, head = tl.program_id(1).to(tl.int64), tl.program_id(2)
    return row, g, b, tl.load(lengths_ptr + b), is_reversed, chunk, head


@triton.jit
def _matrix(ptr, t, t_stride, valid, columns, COLUMNS: tl.constexpr):
    """Frames t and the first ``columns`` columns (CHUNK, COLUMNS) as fp32, zero elsewhere."""
    c = tl.arange(0, COLUMNS)
    inside = valid[:, None] & (c < columns)[None, :]
    where = ptr + t[:, None] * t_stride + c[None, :]
    return tl.load(where, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _steps(delta_ptr, delta_t, A_ptr, bias_ptr, at_head, t, valid):
    """Δ of a chunk's frames, and the sums of log decay before and through each, and of all.

    The sums are float64: decays are differences of them, which in fp32 would carry the rounding of
    all that was summed before.
    """
    raw = tl.load(delta_ptr + t * delta_t, mask=valid, other=0.0).to(tl.float32)
    bias = tl.load(bias_ptr + at_head).to(tl.float32)
    step = tl.where(valid, softplus(raw + bias), 0.0)
    log_decay = (step * tl.load(A_ptr + at_head)).to(tl.float64)
    through = tl.cumsum(log_decay, axis=0)
    return step, through - log_decay, through, tl.sum(log_decay, axis=0)


@triton.jit
def summarise_chunks(
    x_ptr,
    x_g,
    x_b,
    x_t,
    delta_ptr,
    delta_g,
    delta_b,
    delta_t,
    A_ptr,
    B_ptr,
    B_g,
    B_b,
    B_t,
    bias_ptr,
    lengths_ptr,
    ends_ptr,
    decays_ptr,
    batch,
    num_frames,
    heads,
    channels,
    states,
    reverse_mask,
    CHUNK: tl.constexpr,
    CHANNELS: tl.constexpr,
    STATES: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """What each chunk adds to the state at its end, starting from zero (``ends``: direction, batch,
    chunk, head, channel, state), and its decay (``decays``, without the last two)."""
    row, g, b, length, is_reversed, chunk, head = _program(lengths_ptr, batch, heads, reverse_mask)
    t = chunk * CHUNK + tl.arange(0, CHUNK)
    valid = t < length
    at_head = g * heads + head
    deltas = delta_ptr + g * delta_g + b * delta_b + head
    step, before, through, total = _steps(deltas, delta_t, A_ptr, bias_ptr, at_head, t, valid)
    left = tl.exp(tl.where(is_reversed, before, total - through).to(tl.float32))
    xs = x_ptr + g * x_g + b * x_b + head * channels
    drive = _matrix(xs, t, x_t, valid, channels, CHANNELS) * (step * left)[:, None]
    B = _matrix(B_ptr + g * B_g + b * B_b, t, B_t, valid, states, STATES)
    end = tl.dot(tl.trans(drive), B, input_precision=PRECISION)
    p, n = tl.arange(0, CHANNELS), tl.arange(0, STATES)
    at = (row * tl.num_programs(1) + chunk) * heads + head
    where = (at * channels + p[:, None]) * states + n[None, :]
    tl.store(ends_ptr + where, end, mask=(p < channels)[:, None] & (n < states)[None, :])
    tl.store(decays_ptr + at, tl.exp(total.to(tl.float32)))


@triton.jit
def join_chunks(
    states_ptr, decays_ptr, batch, heads, size, num_chunks, reverse_mask, BLOCK: tl.constexpr
):
    """Turn what each chunk adds to the state into the state that each starts with, in place.

    ``size`` is channels × states; the program has ``BLOCK`` of them, of one head.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    is_reversed = ((reverse_mask >> (row // batch)) & 1) != 0
    element = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    here = element < size
    state = tl.zeros((BLOCK,), tl.float32)
    passed = 0
    while passed < num_chunks:  # as a range, it needs NumPy < 2.4 in Triton 3.6's interpreter
        chunk = tl.where(is_reversed, num_chunks - 1 - passed, passed)
        at = (row * num_chunks + chunk) * heads + head
        end = tl.load(states_ptr + at * size + element, mask=here, other=0.0)
        tl.store(states_ptr + at * size + element, state, mask=here)
        state = tl.load(decays_ptr + at) * state + end
        passed += 1


@triton.jit
def output_chunks(
    x_ptr,
    x_g,
    x_b,
    x_t,
    delta_ptr,
    delta_g,
    delta_b,
    delta_t,
    A_ptr,
    B_ptr,
    B_g,
    B_b,
    B_t,
    C_ptr,
    C_g,
    C_b,
    C_t,
    bias_ptr,
    lengths_ptr,
    starts_ptr,
    y_ptr,
    batch,
    num_frames,
    heads,
    channels,
    states,
    reverse_mask,
    CHUNK: tl.constexpr,
    CHANNELS: tl.constexpr,
    STATES: tl.constexpr,
    PRECISION: tl.constexpr,
    EXCLUSIVE: tl.constexpr,
):
    """Outputs of every chunk, given the state that it starts with.

    EXCLUSIVE gives a frame what its neighbour would get: C and the sum of log decay are those of
    the frame before (reversed: after) it, and it does not see itself.
    """
    row, g, b, length, is_reversed, chunk, head = _program(lengths_ptr, batch, heads, reverse_mask)
    local = tl.arange(0, CHUNK)
    t = chunk * CHUNK + local
    valid = t < length
    at_head = g * heads + head
    deltas = delta_ptr + g * delta_g + b * delta_b + head
    step, before, through, total = _steps(deltas, delta_t, A_ptr, bias_ptr, at_head, t, valid)
    source = t
    if EXCLUSIVE:
        source = tl.where(is_reversed, t + 1, t - 1)
    has_source = valid & (source >= 0) & (source < length)
    B = _matrix(B_ptr + g * B_g + b * B_b, t, B_t, valid, states, STATES)
    C = _matrix(C_ptr + g * C_g + b * C_b, source, C_t, has_source, states, STATES)
    xs = x_ptr + g * x_g + b * x_b + head * channels
    drive = _matrix(xs, t, x_t, valid, channels, CHANNELS) * step[:, None]

    # The decay from s to t is exp(seen[t] - driven[s]), from the chunk's start exp(seen[t] + all).
    driven = tl.where(is_reversed, -before, through)
    seen = tl.where(is_reversed, -through, before) if EXCLUSIVE else driven
    ahead = tl.where(is_reversed, local[None, :] - local[:, None], local[:, None] - local[None, :])
    visible = ahead > 0 if EXCLUSIVE else ahead >= 0
    between = (seen[:, None] - driven[None, :]).to(tl.float32)
    weights = tl.exp(tl.where(visible, between, float("-inf")))
    weights *= tl.dot(C, tl.trans(B), input_precision=PRECISION)
    y = tl.dot(weights, drive, input_precision=PRECISION)

    p, n = tl.arange(0, CHANNELS), tl.arange(0, STATES)
    at = (row * tl.num_programs(1) + chunk) * heads + head
    where = (at * channels + p[:, None]) * states + n[None, :]
    inside = (p < channels)[:, None] & (n < states)[None, :]
    start = tl.load(starts_ptr + where, mask=inside, other=0.0)
    since = tl.exp(tl.where(is_reversed, total + seen, seen).to(tl.float32))
    y += since[:, None] * tl.dot(C, tl.trans(start), input_precision=PRECISION)
    out = ((row * num_frames + t[:, None]) * heads + head) * channels + p[None, :]
    exists = (t < num_frames)[:, None] & (p < channels)[None, :]
    y = tl.where(valid[:, None], y, 0.0)
    tl.store(y_ptr + out, y.to(y_ptr.dtype.element_ty), mask=exists)
