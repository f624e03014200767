"""The Triton kernels compile for real GPUs, which needs none: the interpreter takes more than they.

In a process of its own, as kernels that were imported to be interpreted cannot be compiled.
"""

import os
import subprocess
import sys

import pytest

COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from fakemamba.models.execution import norm_kernel
from fakemamba.models.scan import triton_kernels, triton_ssd, triton_ssd_kernels

SCAN = {"NUM_STATES": 16, "TILE": 32, "BLOCK": 32}
JOIN = {"NUM_STATES": 16, "TILES": 64, "BLOCK": 32}
SIDES = {"CHANNELS": 64, "STATES": 64, "PRECISION": triton_ssd.PRECISION}
SSD = {"CHUNK": triton_ssd.CHUNK_FRAMES} | SIDES
NORM = {"SHIFTED": True, "SUMMED": False, "GELU": True, "BLOCK": 512}
SUM = {"SHIFTED": False, "SUMMED": True, "GELU": False, "BLOCK": 1024}
KERNELS = [
    *((triton_kernels.summarise_tiles, SCAN | {"ADJOINT": a, "GATED": a}) for a in (False, True)),
    *((triton_kernels.join_tiles, JOIN | {"ADJOINT": a}) for a in (False, True)),
    (triton_kernels.output_tiles, SCAN | {"GATED": True}),
    (triton_kernels.gradient_tiles, SCAN | {"GATED": True}),
    (triton_kernels.convolve, {"TAPS": 4, "TILE": 32, "BLOCK": 32}),
    (triton_ssd_kernels.summarise_chunks, SSD),
    (triton_ssd_kernels.join_chunks, {"BLOCK": triton_ssd.BLOCK_STATES}),
    *((triton_ssd_kernels.output_chunks, SSD | {"EXCLUSIVE": e}) for e in (False, True)),
    (norm_kernel.norm_rows, NORM),
    (norm_kernel.norm_rows, SUM),
]
FP32 = {"A_ptr", "residual_ptr", "sum_ptr", "weight_ptr", "ends_ptr", "elapsed_ptr", "starts_ptr"}
FP32 |= {"states_ptr", "decays_ptr"}


def kind(name, constants, frames):
    if name in constants:
        return "constexpr"
    if name == "lengths_ptr":
        return "*i64"
    if name.endswith("_ptr"):
        return "*fp32" if name in FP32 else frames
    return "fp32" if name == "eps" else "i32"


capability, frames = int(sys.argv[1]), sys.argv[2]
for kernel, constants in KERNELS:
    signature = {name: kind(name, constants, frames) for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    assert len(compiled.asm["cubin"]) > 1_000
    print(kernel.__name__)
"""


@pytest.mark.parametrize(
    ("capability", "frames"),
    [
        pytest.param("80", "*fp32", marks=pytest.mark.at_length),
        pytest.param("90", "*fp32", marks=pytest.mark.at_length),
        pytest.param("90", "*bf16", marks=pytest.mark.at_length),
    ],
)
def test_kernels_compile_for_gpus(tmp_path, capability, frames):
    pytest.importorskip("triton.backends.nvidia", reason="Triton has no compiler for CUDA here")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", COMPILE, capability, frames]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == 13
