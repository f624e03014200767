"""The scan as Triton kernels; docs/scan.md explains them.

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
def softplus(x):
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
def _tile(ptr, t, t_stride, e, inside):
    """Frames t and channels e (TILE, BLOCK) as fp32, zero where there is no frame."""
    where = ptr + t[:, None] * t_stride + e[None, :]
    return tl.load(where, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _per_channel(ptr, g, channels, e):
    """A direction's values of channels e (BLOCK) as fp32."""
    return tl.load(ptr + g * channels + e, mask=e < channels, other=0.0).to(tl.float32)


@triton.jit
def _per_frame(ptr, t, t_stride, n, valid):
    """State n of B or C at frames t (TILE) as fp32, zero where there is no frame."""
    return tl.load(ptr + t * t_stride + n, mask=valid, other=0.0).to(tl.float32)


@triton.jit
def _program(lengths_ptr, batch, channels, BLOCK: tl.constexpr):
    """What a program works on: its row, direction g, utterance b and its length, channels e."""
    row = tl.program_id(0).to(tl.int64)
    e = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    return row, row // batch, row % batch, tl.load(lengths_ptr + row % batch), e, e < channels


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
    row, g, b, length, e, here = _program(lengths_ptr, batch, channels, BLOCK)
    tile = tl.program_id(1).to(tl.int64)
    position = tile * TILE + tl.arange(0, TILE)
    t = _frame_of(position, length, ((reverse_mask >> g) & 1) != 0)
    valid = position < length
    inside = valid[:, None] & here[None, :]
    bias = _per_channel(bias_ptr, g, channels, e)
    raw = _tile(delta_ptr + g * delta_g + b * delta_b, t, delta_t, e, inside) + bias[None, :]
    step = tl.where(inside, softplus(raw), 0.0)
    x = _tile(x_ptr + g * x_g + b * x_b, t, x_t, e, inside)
    upto = tl.cumsum(step, axis=0)
    total = tl.sum(step, axis=0)
    if ADJOINT:
        if GATED:
            gate = _tile(gate_ptr + g * gate_g + b * gate_b, t, gate_t, e, inside)
            x = x * gate * tl.sigmoid(gate)
        drive, span = x, upto
    else:
        drive, span = x * step, total[None, :] - upto
    out = ((row * num_tiles + tile) * NUM_STATES) * channels + e
    for n in range(NUM_STATES):
        A = _per_channel(A_ptr, g * NUM_STATES + n, channels, e)
        V = _per_frame(V_ptr + g * V_g + b * V_b, t, V_t, n, valid)
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
    A = _per_channel(A_ptr, g * NUM_STATES + n, channels, e)
    carry = tl.zeros((BLOCK,), tl.float32)
    first = 0
    while first < num_tiles:  # as a range, it needs NumPy < 2.4 in Triton 3.6's interpreter
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
        first += TILES


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
    row, g, b, length, e, here = _program(lengths_ptr, batch, channels, BLOCK)
    tile = tl.program_id(1).to(tl.int64)
    position = tile * TILE + tl.arange(0, TILE)
    t = _frame_of(position, length, ((reverse_mask >> g) & 1) != 0)
    valid = position < length
    inside = valid[:, None] & here[None, :]
    bias = _per_channel(bias_ptr, g, channels, e)
    raw = _tile(delta_ptr + g * delta_g + b * delta_b, t, delta_t, e, inside) + bias[None, :]
    step = tl.where(inside, softplus(raw), 0.0)
    u = _tile(u_ptr + g * u_g + b * u_b, t, u_t, e, inside)
    y = u * _per_channel(D_ptr, g, channels, e)[None, :]
    starts = starts_ptr + ((row * num_tiles + tile) * NUM_STATES) * channels + e
    for n in range(NUM_STATES):
        A = _per_channel(A_ptr, g * NUM_STATES + n, channels, e)
        B = _per_frame(B_ptr + g * B_g + b * B_b, t, B_t, n, valid)
        C = _per_frame(C_ptr + g * C_g + b * C_b, t, C_t, n, valid)
        start = tl.load(starts + n * channels, mask=here, other=0.0)
        decay, state = tl.associative_scan(
            (tl.exp(step * A[None, :]), step * u * B[:, None]), 0, _compose
        )
        y += (state + decay * start[None, :]) * C[:, None]
    if GATED:
        z = _tile(z_ptr + g * z_g + b * z_b, t, z_t, e, inside)
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
    row, g, b, length, e, here = _program(lengths_ptr, batch, channels, BLOCK)
    tile, block = tl.program_id(1).to(tl.int64), tl.program_id(2)
    local = tl.arange(0, TILE)
    position = tile * TILE + local
    is_reversed = ((reverse_mask >> g) & 1) != 0
    t = _frame_of(position, length, is_reversed)
    next_t = _frame_of(position + 1, length, is_reversed)
    valid = position < length
    inside = valid[:, None] & here[None, :]
    bias = _per_channel(bias_ptr, g, channels, e)
    deltas = delta_ptr + g * delta_g + b * delta_b
    raw = _tile(deltas, t, delta_t, e, inside) + bias[None, :]
    step = tl.where(inside, softplus(raw), 0.0)
    # A tile's last frame takes the gradient of the next tile's states as it comes: decay 1.
    has_next = ((local + 1 < TILE) & (position + 1 < length))[:, None] & here[None, :]
    next_raw = _tile(deltas, next_t, delta_t, e, has_next) + bias[None, :]
    next_step = tl.where(has_next, softplus(next_raw), 0.0)
    u = _tile(u_ptr + g * u_g + b * u_b, t, u_t, e, inside)
    dy = _tile(dy_ptr + g * dy_g + b * dy_b, t, dy_t, e, inside)
    D = _per_channel(D_ptr, g, channels, e)
    dout = dy
    if GATED:
        z = _tile(z_ptr + g * z_g + b * z_b, t, z_t, e, inside)
        gate = tl.sigmoid(z)
        dout = dy * z * gate
    y = u * D[None, :]
    du = dout * D[None, :]
    dstep = tl.zeros((TILE, BLOCK), tl.float32)
    at_tile = ((row * num_tiles + tile) * NUM_STATES) * channels + e
    by_state = ((block * tl.num_programs(0) + row) * num_frames + t) * NUM_STATES
    for n in range(NUM_STATES):
        A = _per_channel(A_ptr, g * NUM_STATES + n, channels, e)
        B = _per_frame(B_ptr + g * B_g + b * B_b, t, B_t, n, valid)
        C = _per_frame(C_ptr + g * C_g + b * C_b, t, C_t, n, valid)
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
    ddelta = dstep * tl.sigmoid(raw)
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
    row, g, b, length, e, here = _program(lengths_ptr, batch, channels, BLOCK)
    t = tl.program_id(1).to(tl.int64) * TILE + tl.arange(0, TILE)
    towards = tl.where(((reverse_mask >> g) & 1) != 0, 1, -1)
    y = _per_channel(bias_ptr, g, channels, e)[None, :]
    y = y + tl.zeros((TILE, BLOCK), tl.float32)
    for k in range(TAPS):
        source = t + towards * (TAPS - 1 - k)
        inside = ((source >= 0) & (source < length))[:, None] & here[None, :]
        weight = _per_channel(weight_ptr, g * TAPS + k, channels, e)
        y += _tile(x_ptr + g * x_g + b * x_b, source, x_t, e, inside) * weight[None, :]
    y = tl.where((t < length)[:, None], y * tl.sigmoid(y), 0.0)
    out = (row * num_frames + t[:, None]) * channels + e[None, :]
    exists = (t < num_frames)[:, None] & here[None, :]
    tl.store(y_ptr + out, y.to(y_ptr.dtype.element_ty), mask=exists)
