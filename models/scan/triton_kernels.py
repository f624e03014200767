"""The scan as Triton kernels; docs/scan.md explains them with pictures.

Time is cut into tiles of ``TILE`` frames, and a program has one tile of one block of channels of
one utterance and direction. Inside a tile all frames advance together by an associative scan along
time, one state after the other; nothing of size time × channels × states leaves the registers. What
a tile does to the state is two numbers for each channel and state, so tiles are joined by a second,
small scan over tiles (`join_tiles`): a long utterance fills the GPU even at batch 1.

A reversed direction only changes which frame a position of a tile stands for (`_frame_of`). Frames
beyond an utterance's end have Δ = 0, which leaves every state as it is, and outputs of zero.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _compose(decay1, drive1, decay2, drive2):
    """h -> decay·h + drive, first the one and then the other."""
    return decay1 * decay2, drive1 * decay2 + drive2


@triton.jit
def _softplus(x):
    """log(1 + e^x), right in relative terms also where it is tiny (Kahan's log1p)."""
    power = tl.exp(tl.minimum(x, 20.0))
    above_one = 1.0 + power
    rounded = tl.where(above_one == 1.0, 1.0, above_one - 1.0)  # the part of e^x that 1 + e^x has
    log1p = tl.where(above_one == 1.0, power, tl.log(above_one) * power / rounded)
    return tl.where(x > 20.0, x, log1p)


@triton.jit
def _frame_of(position, length, is_reversed):
    """The frame at a position of a direction's own order; padding stays behind the utterance."""
    mirrored = tl.where(position < length, length - 1 - position, position)
    return tl.where(is_reversed, mirrored, position)


@triton.jit
def _step_sizes(delta_ptr, bias, offsets, inside):
    """Δ of a tile (TILE, BLOCK), zero where there is no frame."""
    delta = tl.load(delta_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    return tl.where(inside, _softplus(delta + bias[None, :]), 0.0)


@triton.jit
def summarise_tiles(
    x_ptr,
    x_g,
    x_b,
    x_t,
    delta_ptr,
    delta_g,
    delta_b,
    delta_t,
    A_ptr,
    V_ptr,
    V_g,
    V_b,
    V_t,
    bias_ptr,
    gate_ptr,
    gate_g,
    gate_b,
    gate_t,
    lengths_ptr,
    ends_ptr,
    elapsed_ptr,
    batch,
    num_frames,
    channels,
    num_tiles,
    reverse_mask,
    NUM_STATES: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    ADJOINT: tl.constexpr,
    GATED: tl.constexpr,
):
    """What each tile adds to the state at its end, starting from zero (``ends``: direction, batch,
    tile, state, channel), and Σ Δ (``elapsed``, without the state).

    Forward: Σ_t exp(A·(Δ after t)) Δ_t x_t V_t, with V = B. ADJOINT: the same for the gradient of
    the state *before* the tile, Σ_t exp(A·(Δ up to t)) dy_t V_t, with x = dy and V = C.
    """
    row, tile = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    g, b = row // batch, row % batch
    e = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    here = e < channels
    position = tile * TILE + tl.arange(0, TILE)
    length = tl.load(lengths_ptr + b)
    t = _frame_of(position, length, ((reverse_mask >> g) & 1) != 0)
    valid = position < length
    inside = valid[:, None] & here[None, :]
    bias = tl.load(bias_ptr + g * channels + e, mask=here, other=0.0).to(tl.float32)
    step = _step_sizes(
        delta_ptr + g * delta_g + b * delta_b, bias, t[:, None] * delta_t + e[None, :], inside
    )
    x = tl.load(
        x_ptr + g * x_g + b * x_b + t[:, None] * x_t + e[None, :], mask=inside, other=0.0
    ).to(tl.float32)
    upto = tl.cumsum(step, axis=0)
    total = tl.sum(step, axis=0)
    if ADJOINT:
        if GATED:
            gate = tl.load(
                gate_ptr + g * gate_g + b * gate_b + t[:, None] * gate_t + e[None, :],
                mask=inside,
                other=0.0,
            ).to(tl.float32)
            x = x * gate * tl.sigmoid(gate)
        drive, span = x, upto
    else:
        drive, span = x * step, total[None, :] - upto
    out = ((row * num_tiles + tile) * NUM_STATES) * channels + e
    for n in range(NUM_STATES):
        A = tl.load(A_ptr + (g * NUM_STATES + n) * channels + e, mask=here, other=0.0)
        V = tl.load(V_ptr + g * V_g + b * V_b + t * V_t + n, mask=valid, other=0.0).to(tl.float32)
        end = tl.sum(tl.exp(span * A[None, :]) * drive * V[:, None], axis=0)
        tl.store(ends_ptr + out + n * channels, end, mask=here)
    tl.store(elapsed_ptr + (row * num_tiles + tile) * channels + e, total, mask=here)


@triton.jit
def join_tiles(
    ends_ptr,
    elapsed_ptr,
    A_ptr,
    starts_ptr,
    batch,
    channels,
    num_tiles,
    NUM_STATES: tl.constexpr,
    TILES: tl.constexpr,
    BLOCK: tl.constexpr,
    ADJOINT: tl.constexpr,
):
    """From what each tile adds to the state that each tile starts with (``starts``).

    ADJOINT runs from the last tile to the first, and gives the gradient of each tile's last state.
    """
    row, n = tl.program_id(0).to(tl.int64), tl.program_id(1)
    g = row // batch
    e = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    here = e < channels
    A = tl.load(A_ptr + (g * NUM_STATES + n) * channels + e, mask=here, other=0.0)
    carry = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, num_tiles, TILES):
        order = first + tl.arange(0, TILES)
        exists = order < num_tiles
        tile = (num_tiles - 1 - order) if ADJOINT else order
        inside = exists[:, None] & here[None, :]
        at = row * num_tiles + tile
        elapsed = tl.load(elapsed_ptr + at[:, None] * channels + e[None, :], mask=inside, other=0.0)
        where = (at[:, None] * NUM_STATES + n) * channels + e[None, :]
        end = tl.load(ends_ptr + where, mask=inside, other=0.0)
        decay, state = tl.associative_scan((tl.exp(elapsed * A[None, :]), end), 0, _compose)
        state += decay * carry[None, :]
        # The state after a tile is the one that the next tile starts with.
        if ADJOINT:
            following, has_following = where - NUM_STATES * channels, tile > 0
        else:
            following, has_following = where + NUM_STATES * channels, tile + 1 < num_tiles
        tl.store(starts_ptr + following, state, mask=inside & has_following[:, None])
        carry = tl.sum(tl.where((tl.arange(0, TILES) == TILES - 1)[:, None], state, 0.0), axis=0)


@triton.jit
def output_tiles(
    u_ptr,
    u_g,
    u_b,
    u_t,
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
    D_ptr,
    bias_ptr,
    z_ptr,
    z_g,
    z_b,
    z_t,
    lengths_ptr,
    starts_ptr,
    y_ptr,
    batch,
    num_frames,
    channels,
    num_tiles,
    reverse_mask,
    NUM_STATES: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    GATED: tl.constexpr,
):
    """Outputs of every tile, given the state that it starts with."""
    row, tile = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    g, b = row // batch, row % batch
    e = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    here = e < channels
    position = tile * TILE + tl.arange(0, TILE)
    length = tl.load(lengths_ptr + b)
    t = _frame_of(position, length, ((reverse_mask >> g) & 1) != 0)
    valid = position < length
    inside = valid[:, None] & here[None, :]
    bias = tl.load(bias_ptr + g * channels + e, mask=here, other=0.0).to(tl.float32)
    step = _step_sizes(
        delta_ptr + g * delta_g + b * delta_b, bias, t[:, None] * delta_t + e[None, :], inside
    )
    u = tl.load(
        u_ptr + g * u_g + b * u_b + t[:, None] * u_t + e[None, :], mask=inside, other=0.0
    ).to(tl.float32)
    y = u * tl.load(D_ptr + g * channels + e, mask=here, other=0.0).to(tl.float32)[None, :]
    starts = starts_ptr + ((row * num_tiles + tile) * NUM_STATES) * channels + e
    for n in range(NUM_STATES):
        A = tl.load(A_ptr + (g * NUM_STATES + n) * channels + e, mask=here, other=0.0)
        B = tl.load(B_ptr + g * B_g + b * B_b + t * B_t + n, mask=valid, other=0.0).to(tl.float32)
        C = tl.load(C_ptr + g * C_g + b * C_b + t * C_t + n, mask=valid, other=0.0).to(tl.float32)
        start = tl.load(starts + n * channels, mask=here, other=0.0)
        decay, state = tl.associative_scan(
            (tl.exp(step * A[None, :]), step * u * B[:, None]), 0, _compose
        )
        y += (state + decay * start[None, :]) * C[:, None]
    if GATED:
        z = tl.load(
            z_ptr + g * z_g + b * z_b + t[:, None] * z_t + e[None, :], mask=inside, other=0.0
        ).to(tl.float32)
        y = y * z * tl.sigmoid(z)
    exists = (position < num_frames)[:, None] & here[None, :]
    out = (row * num_frames + t[:, None]) * channels + e[None, :]
    tl.store(y_ptr + out, tl.where(inside, y, 0.0).to(y_ptr.dtype.element_ty), mask=exists)


@triton.jit
def gradient_tiles(
    dy_ptr,
    dy_g,
    dy_b,
    dy_t,
    u_ptr,
    u_g,
    u_b,
    u_t,
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
    D_ptr,
    bias_ptr,
    z_ptr,
    z_g,
    z_b,
    z_t,
    lengths_ptr,
    starts_ptr,
    adjoints_ptr,
    du_ptr,
    ddelta_ptr,
    dz_ptr,
    dA_ptr,
    dB_ptr,
    dC_ptr,
    dD_ptr,
    dbias_ptr,
    batch,
    num_frames,
    channels,
    num_tiles,
    reverse_mask,
    NUM_STATES: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    GATED: tl.constexpr,
):
    """All gradients of a tile, given the state that it starts with and the gradient of its last.

    States are recomputed. What is summed over tiles (dA, dD, dbias) or over blocks of channels
    (dB, dC) is written a tile or a block each, and summed by the caller: no atomics, so the same
    bytes at every run.
    """
    row, tile = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    block = tl.program_id(2)
    g, b = row // batch, row % batch
    e = block * BLOCK + tl.arange(0, BLOCK)
    here = e < channels
    local = tl.arange(0, TILE)
    position = tile * TILE + local
    length = tl.load(lengths_ptr + b)
    is_reversed = ((reverse_mask >> g) & 1) != 0
    t = _frame_of(position, length, is_reversed)
    next_t = _frame_of(position + 1, length, is_reversed)
    valid = position < length
    inside = valid[:, None] & here[None, :]
    bias = tl.load(bias_ptr + g * channels + e, mask=here, other=0.0).to(tl.float32)
    deltas = delta_ptr + g * delta_g + b * delta_b
    step = _step_sizes(deltas, bias, t[:, None] * delta_t + e[None, :], inside)
    # A tile's last frame takes the gradient of the next tile's states as it comes: decay 1.
    has_next = ((local + 1 < TILE) & (position + 1 < length))[:, None] & here[None, :]
    next_step = _step_sizes(deltas, bias, next_t[:, None] * delta_t + e[None, :], has_next)
    u = tl.load(
        u_ptr + g * u_g + b * u_b + t[:, None] * u_t + e[None, :], mask=inside, other=0.0
    ).to(tl.float32)
    dy = tl.load(
        dy_ptr + g * dy_g + b * dy_b + t[:, None] * dy_t + e[None, :], mask=inside, other=0.0
    ).to(tl.float32)
    D = tl.load(D_ptr + g * channels + e, mask=here, other=0.0).to(tl.float32)
    dout = dy
    if GATED:
        z = tl.load(
            z_ptr + g * z_g + b * z_b + t[:, None] * z_t + e[None, :], mask=inside, other=0.0
        ).to(tl.float32)
        gate = tl.sigmoid(z)
        dout = dy * z * gate
    y = u * D[None, :]
    du = dout * D[None, :]
    dstep = tl.zeros((TILE, BLOCK), tl.float32)
    at_tile = ((row * num_tiles + tile) * NUM_STATES) * channels + e
    by_state = ((block * tl.num_programs(0) + row) * num_frames + t) * NUM_STATES
    for n in range(NUM_STATES):
        A = tl.load(A_ptr + (g * NUM_STATES + n) * channels + e, mask=here, other=0.0)
        B = tl.load(B_ptr + g * B_g + b * B_b + t * B_t + n, mask=valid, other=0.0).to(tl.float32)
        C = tl.load(C_ptr + g * C_g + b * C_b + t * C_t + n, mask=valid, other=0.0).to(tl.float32)
        start = tl.load(starts_ptr + at_tile + n * channels, mask=here, other=0.0)
        adjoint = tl.load(adjoints_ptr + at_tile + n * channels, mask=here, other=0.0)
        drive = step * u * B[:, None]
        decay, state = tl.associative_scan((tl.exp(step * A[None, :]), drive), 0, _compose)
        state += decay * start[None, :]
        back_decay, dstate = tl.associative_scan(
            (tl.exp(next_step * A[None, :]), dout * C[:, None]), 0, _compose, reverse=True
        )
        dstate += back_decay * adjoint[None, :]
        y += state * C[:, None]
        # exp(ΔA) h_{t-1} is h_t without what was driven in.
        dexponent = dstate * (state - drive)
        dstep += dexponent * A[None, :] + dstate * u * B[:, None]
        du += dstate * step * B[:, None]
        tl.store(dA_ptr + at_tile + n * channels, tl.sum(dexponent * step, axis=0), mask=here)
        tl.store(dB_ptr + by_state + n, tl.sum(dstate * step * u, axis=1), mask=valid)
        tl.store(dC_ptr + by_state + n, tl.sum(dout * state, axis=1), mask=valid)
    raw = tl.load(deltas + t[:, None] * delta_t + e[None, :], mask=inside, other=0.0).to(tl.float32)
    ddelta = dstep * tl.sigmoid(raw + bias[None, :])
    out = (row * num_frames + t[:, None]) * channels + e[None, :]
    tl.store(du_ptr + out, du, mask=inside)
    tl.store(ddelta_ptr + out, ddelta, mask=inside)
    if GATED:
        tl.store(dz_ptr + out, dy * y * gate * (1.0 + z * (1.0 - gate)), mask=inside)
    of_tile = (row * num_tiles + tile) * channels + e
    tl.store(dD_ptr + of_tile, tl.sum(dout * u, axis=0), mask=here)
    tl.store(dbias_ptr + of_tile, tl.sum(tl.where(inside, ddelta, 0.0), axis=0), mask=here)


@triton.jit
def convolve(
    x_ptr,
    x_g,
    x_b,
    x_t,
    weight_ptr,
    bias_ptr,
    lengths_ptr,
    y_ptr,
    batch,
    num_frames,
    channels,
    reverse_mask,
    TAPS: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """SiLU of the causal depthwise convolution; weight (direction, tap, channel)."""
    row = tl.program_id(0).to(tl.int64)
    g, b = row // batch, row % batch
    t = tl.program_id(1).to(tl.int64) * TILE + tl.arange(0, TILE)
    e = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    here = e < channels
    length = tl.load(lengths_ptr + b)
    towards = tl.where(((reverse_mask >> g) & 1) != 0, 1, -1)
    y = tl.load(bias_ptr + g * channels + e, mask=here, other=0.0).to(tl.float32)[None, :]
    y = y + tl.zeros((TILE, BLOCK), tl.float32)
    for k in range(TAPS):
        source = t + towards * (TAPS - 1 - k)
        inside = ((source >= 0) & (source < length))[:, None] & here[None, :]
        weight = tl.load(weight_ptr + (g * TAPS + k) * channels + e, mask=here, other=0.0)
        x = tl.load(
            x_ptr + g * x_g + b * x_b + source[:, None] * x_t + e[None, :], mask=inside, other=0.0
        )
        y += x.to(tl.float32) * weight.to(tl.float32)[None, :]
    y = tl.where((t < length)[:, None], y * tl.sigmoid(y), 0.0)
    out = (row * num_frames + t[:, None]) * channels + e[None, :]
    exists = (t < num_frames)[:, None] & here[None, :]
    tl.store(y_ptr + out, y.to(y_ptr.dtype.element_ty), mask=exists)
