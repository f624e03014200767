#!/usr/bin/env bash
# The reference results of a GPU by one command, in under ten minutes: docs/gpu.md.
# Needs an environment in which fakemamba is installed (pip install -e '.[dev]'), and no network.
set -uo pipefail
exec python3 -m fakemamba.bench gpu-study "$@"
