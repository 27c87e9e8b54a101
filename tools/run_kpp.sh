#!/bin/sh
# tools/run_kpp.sh OUT [DEVICE [NAME...]]: the full KPP experiments, two dimensions first. What is worth
# keeping of each goes to OUT/NAME.tar.gz when it is done; where it is stopped, the same line goes on.
set -eu
out=$1
device=${2:-cuda}
shift
[ $# -eq 0 ] || shift
python=${PYTHON:-.venv/bin/python}
export TWOSTEP_CACHE_DIR="${TWOSTEP_CACHE_DIR:-.kpp-cache}"
mkdir -p "$out"
# Small matrices: threads of BLAS would only be in each other's way.
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$python" tools/kpp_references.py > "$out/references.txt"
for name in "${@:-kpp2d kpp3d}"; do
    for each in $name; do
        run=runs/$each-full-s0
        "$python" -m twostep_rs.cli run "$each" --preset full --device "$device" --out "$run" | tee "$out/$each.txt"
        tar -czf "$out/$each.tar.gz" -C runs --exclude='*.pdf' \
            "$each-full-s0/config.toml" "$each-full-s0/status.json" "$each-full-s0/evaluation.json" \
            "$each-full-s0/convergence.json" "$each-full-s0/figures"
    done
done
