"""The fused scans on CPUs, and the convolution, compiled by numba at their first use.

A task is one direction, one utterance and a block of channels; tasks run on all cores. Time is a
plain loop, the vector lanes are channels, and a block's states (states × channels) stay in the
first-level cache. Softplus of Δ, the D skip and the SiLU gate are part of the loop, so nothing of
size time × channels × states is ever written. Backward, states are recomputed from checkpoints
taken every ``CHECKPOINT_FRAMES`` frames; there, the caller brings the threads, each with a range of
tasks. What numba compiles for its own threads is optimised once more on its way into numba's cache,
and with sums over channels in the loop, that gave other last digits than the process that compiled.

Arrays are C-contiguous fp32: frames (directions, batch, time, channels), B and C (directions,
batch, time, states), A (directions, states, channels). An optional array is empty where it is not
given; ``z`` may have one direction for all.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from fakemamba.models.scan.cpu_math import FAST, LOG2_E, ONE, ZERO, exp2, sigmoid, softplus

BLOCK_CHANNELS = 96  # 16 states of them are 6 KiB
CHECKPOINT_FRAMES = 32


@njit(parallel=True, fastmath=FAST, cache=True, nogil=True)
def scan_forward(u, delta, A, B, C, D, z, bias, reverse, lengths, y, checkpoints):
    """Fill ``y``, and ``checkpoints`` (directions, batch, n, states, channels) unless empty."""
    directions, batch, _, channels = u.shape
    num_states = A.shape[1]
    blocks = (channels + BLOCK_CHANNELS - 1) // BLOCK_CHANNELS
    for task in prange(directions * batch * blocks):
        g, b = task // (batch * blocks), (task // blocks) % batch
        first = (task % blocks) * BLOCK_CHANNELS
        width = min(BLOCK_CHANNELS, channels - first)
        span = slice(first, first + width)
        h = np.zeros((num_states, width), np.float32)
        step = np.empty(width, np.float32)
        drive = np.empty(width, np.float32)
        out = np.empty(width, np.float32)
        bias_ge, D_ge = bias[g, span], D[g, span]
        length = lengths[b]
        for i in range(length):
            t = length - 1 - i if reverse[g] else i
            if checkpoints.size and i % CHECKPOINT_FRAMES == 0:
                checkpoints[g, b, i // CHECKPOINT_FRAMES, :, span] = h
            u_t, delta_t, y_t = u[g, b, t, span], delta[g, b, t, span], y[g, b, t, span]
            for e in range(width):
                step[e] = softplus(delta_t[e] + bias_ge[e])
                drive[e] = step[e] * u_t[e]
                out[e] = D_ge[e] * u_t[e]
            for n in range(num_states):
                B_n, C_n = B[g, b, t, n], C[g, b, t, n]
                A_n, h_n = A[g, n, span], h[n]
                for e in range(width):
                    h_n[e] = exp2(step[e] * A_n[e] * LOG2_E) * h_n[e] + drive[e] * B_n
                    out[e] += h_n[e] * C_n
            if z.size:
                z_t = z[g % z.shape[0], b, t, span]
                for e in range(width):
                    y_t[e] = out[e] * z_t[e] * sigmoid(z_t[e])
            else:
                y_t[:] = out
        y[g, b, length:, span] = ZERO


@njit(fastmath=FAST, cache=True, nogil=True)
def scan_backward(
    first_task,
    stop_task,
    dy,
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    reverse,
    lengths,
    checkpoints,
    du,
    ddelta,
    dz,
    dA,
    dB,
    dC,
    dD,
    dbias,
):
    """Gradients of `scan_forward` by some of its tasks; what is summed over is left to the caller.

    du, ddelta and dz are frames; dA (directions, batch, states, channels), dD and dbias
    (directions, batch, channels) are of one utterance, dB and dC (blocks, directions, batch, time,
    states) of one block of channels.
    """
    _, batch, _, channels = u.shape
    num_states = A.shape[1]
    blocks = (channels + BLOCK_CHANNELS - 1) // BLOCK_CHANNELS
    for task in range(first_task, stop_task):
        g, b, block = task // (batch * blocks), (task // blocks) % batch, task % blocks
        first = block * BLOCK_CHANNELS
        width = min(BLOCK_CHANNELS, channels - first)
        span = slice(first, first + width)
        states = np.empty((CHECKPOINT_FRAMES + 1, num_states, width), np.float32)
        steps = np.empty((CHECKPOINT_FRAMES, width), np.float32)
        dh = np.zeros((num_states, width), np.float32)
        dA_ge = np.zeros((num_states, width), np.float32)
        dstep = np.empty(width, np.float32)
        before_gate = np.empty(width, np.float32)
        dout = np.empty(width, np.float32)
        bias_ge, D_ge = bias[g, span], D[g, span]
        dbias_ge, dD_ge = dbias[g, b, span], dD[g, b, span]
        length = lengths[b]
        for chunk in range((length + CHECKPOINT_FRAMES - 1) // CHECKPOINT_FRAMES - 1, -1, -1):
            start = chunk * CHECKPOINT_FRAMES
            stop = min(start + CHECKPOINT_FRAMES, length)
            states[0] = checkpoints[g, b, chunk, :, span]
            for i in range(start, stop):
                t = length - 1 - i if reverse[g] else i
                u_t, delta_t, step = u[g, b, t, span], delta[g, b, t, span], steps[i - start]
                for e in range(width):
                    step[e] = softplus(delta_t[e] + bias_ge[e])
                for n in range(num_states):
                    B_n, A_n = B[g, b, t, n], A[g, n, span]
                    old, new = states[i - start, n], states[i - start + 1, n]
                    for e in range(width):
                        new[e] = exp2(step[e] * A_n[e] * LOG2_E) * old[e] + step[e] * u_t[e] * B_n
            for i in range(stop - 1, start - 1, -1):
                t = length - 1 - i if reverse[g] else i
                u_t, delta_t, step = u[g, b, t, span], delta[g, b, t, span], steps[i - start]
                dy_t, du_t = dy[g, b, t, span], du[g, b, t, span]
                if z.size:
                    z_t, dz_t = z[g % z.shape[0], b, t, span], dz[g, b, t, span]
                    for e in range(width):
                        before_gate[e] = D_ge[e] * u_t[e]
                    for n in range(num_states):
                        C_n, new = C[g, b, t, n], states[i - start + 1, n]
                        for e in range(width):
                            before_gate[e] += new[e] * C_n
                    for e in range(width):
                        gate = sigmoid(z_t[e])
                        dz_t[e] = dy_t[e] * before_gate[e] * gate * (ONE + z_t[e] * (ONE - gate))
                        dout[e] = dy_t[e] * z_t[e] * gate
                else:
                    dout[:] = dy_t
                for e in range(width):
                    du_t[e] = dout[e] * D_ge[e]
                    dD_ge[e] += dout[e] * u_t[e]
                    dstep[e] = ZERO
                for n in range(num_states):
                    B_n, C_n, A_n = B[g, b, t, n], C[g, b, t, n], A[g, n, span]
                    old, new = states[i - start, n], states[i - start + 1, n]
                    dh_n, dA_n = dh[n], dA_ge[n]
                    dB_n, dC_n = ZERO, ZERO
                    for e in range(width):
                        decay = exp2(step[e] * A_n[e] * LOG2_E)
                        into_h = dh_n[e] + dout[e] * C_n
                        into_exponent = into_h * decay * old[e]
                        dA_n[e] += into_exponent * step[e]
                        dstep[e] += into_exponent * A_n[e] + into_h * B_n * u_t[e]
                        du_t[e] += into_h * B_n * step[e]
                        dB_n += into_h * step[e] * u_t[e]
                        dC_n += dout[e] * new[e]
                        dh_n[e] = into_h * decay
                    dB[block, g, b, t, n] = dB_n
                    dC[block, g, b, t, n] = dC_n
                ddelta_t = ddelta[g, b, t, span]
                for e in range(width):
                    ddelta_t[e] = dstep[e] * sigmoid(delta_t[e] + bias_ge[e])
                    dbias_ge[e] += ddelta_t[e]
        dA[g, b, :, span] = dA_ge


@njit(parallel=True, fastmath=FAST, cache=True, nogil=True)
def ssd_forward(x, delta, A, B, C, bias, reverse, exclusive, lengths, y):
    """Fill ``y`` (directions, batch, time, heads, channels); x may have one direction for all.

    A task is one direction, one utterance and one head, whose states (states × channels) are small;
    delta is (directions, batch, time, heads), A and bias (directions, heads). Delayed outputs
    (``exclusive``) are written where the next frame of the direction is.
    """
    directions, batch, _, heads, channels = y.shape
    num_states = B.shape[3]
    for task in prange(directions * batch * heads):
        g, b, head = task // (batch * heads), (task // heads) % batch, task % heads
        h = np.zeros((num_states, channels), np.float32)
        drive = np.empty(channels, np.float32)
        out = np.zeros(channels, np.float32)
        length = lengths[b]
        for i in range(length):
            t = length - 1 - i if reverse[g] else i
            if exclusive:
                y[g, b, t, head] = out
            x_t = x[g % x.shape[0], b, t, head]
            step = softplus(delta[g, b, t, head] + bias[g, head])
            decay = exp2(step * A[g, head] * LOG2_E)
            for p in range(channels):
                drive[p] = step * x_t[p]
                out[p] = ZERO
            for n in range(num_states):
                B_n, C_n, h_n = B[g, b, t, n], C[g, b, t, n], h[n]
                for p in range(channels):
                    h_n[p] = decay * h_n[p] + drive[p] * B_n
                    out[p] += h_n[p] * C_n
            if not exclusive:
                y[g, b, t, head] = out
        y[g, b, length:, head] = ZERO


@njit(inline="always", fastmath=FAST)
def _convolve_frame(x, weight, bias, is_reversed, t, length, out):
    """The taps (taps, channels) and bias at frame t of x (time, channels), into ``out``."""
    taps, channels = weight.shape
    out[:] = bias
    for k in range(taps):
        back = taps - 1 - k
        source = t + back if is_reversed else t - back
        if 0 <= source < length:
            w, x_t = weight[k], x[source]
            for e in range(channels):
                out[e] += w[e] * x_t[e]


@njit(parallel=True, fastmath=FAST, cache=True, nogil=True)
def conv_forward(x, weight, bias, reverse, lengths, y):
    """SiLU of the causal depthwise convolution of x (1 or directions, batch, time, channels).

    ``weight`` is (directions, taps, channels), the last tap at the current frame; reversed, frames
    after the current one take the place of those before it.
    """
    directions, batch, _, channels = y.shape
    for task in prange(directions * batch):
        g, b = task // batch, task % batch
        length = lengths[b]
        out = np.empty(channels, np.float32)
        for t in range(length):
            _convolve_frame(x[g % x.shape[0], b], weight[g], bias[g], reverse[g], t, length, out)
            y_t = y[g, b, t]
            for e in range(channels):
                y_t[e] = out[e] * sigmoid(out[e])
        y[g, b, length:] = ZERO


@njit(parallel=True, fastmath=FAST, cache=True, nogil=True)
def conv_backward(dy, x, weight, bias, reverse, lengths, dx, dweight, dbias):
    """Gradients of `conv_forward`: dx (directions, ...), dweight and dbias an utterance."""
    directions, batch, _, channels = dy.shape
    taps = weight.shape[1]
    for task in prange(directions * batch):
        g, b = task // batch, task % batch
        length = lengths[b]
        out = np.empty(channels, np.float32)
        for t in range(length):
            _convolve_frame(x[g % x.shape[0], b], weight[g], bias[g], reverse[g], t, length, out)
            dy_t, dbias_gb = dy[g, b, t], dbias[g, b]
            for e in range(channels):
                gate = sigmoid(out[e])
                out[e] = dy_t[e] * gate * (ONE + out[e] * (ONE - gate))
                dbias_gb[e] += out[e]
            for k in range(taps):
                back = taps - 1 - k
                source = t + back if reverse[g] else t - back
                if 0 <= source < length:
                    w, x_t = weight[g, k], x[g % x.shape[0], b, source]
                    dx_t, dw = dx[g, b, source], dweight[g, b, k]
                    for e in range(channels):
                        dx_t[e] += out[e] * w[e]
                        dw[e] += out[e] * x_t[e]
