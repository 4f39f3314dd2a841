#!/bin/sh
# The half of the GPU bench that runs on the GPU host, inside the folder that pack.sh made (or in a
# checkout, for a dry run without a GPU):
#   bench/gpu/run.sh [--device cuda|cpu] [--quick]
# Needs python3 with torch (the release the addon was built against), transformers and
# sentence-transformers; no Node, no network. SIMGPT_BENCH_PYTHON names another Python.
set -eu

device=cuda
quick=
while [ $# -gt 0 ]; do
  case $1 in
    --device) device=${2:?--device cuda or cpu}; shift ;;
    --quick) quick=--quick ;;
    *) echo "run.sh: expected --device cuda|cpu or --quick, received $1" >&2; exit 2 ;;
  esac
  shift
done
case $device in cuda | cpu) ;; *) echo "run.sh: expected cuda or cpu, received $device" >&2; exit 2 ;; esac

root=$(cd "$(dirname "$0")/../.." && pwd)
SIMGPT_BENCH_PYTHON=${SIMGPT_BENCH_PYTHON:-$(command -v python3)}
export SIMGPT_BENCH_PYTHON

# Node: the packed one, else the host's.
if [ -e "$root/node.xz" ]; then
  [ -x "$root/node" ] || { xz -dc "$root/node.xz" > "$root/node" && chmod +x "$root/node"; }
  node=$root/node
else
  node=$(command -v node)
fi

# Weights of the packed model, where they were left out.
model=${SIMGPT_MODEL:-$root/model}
if [ ! -e "$model/model.safetensors" ]; then
  "$SIMGPT_BENCH_PYTHON" "$root/bench/gpu/weights.py" random "$model" "$model"
fi

echo "machine: $(uname -sr), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
if command -v nvidia-smi > /dev/null; then
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
fi
"$SIMGPT_BENCH_PYTHON" -c 'import torch, transformers, sentence_transformers as s
print("torch", torch.__version__, "cuda", torch.version.cuda, "available", torch.cuda.is_available())
print("transformers", transformers.__version__, "sentence-transformers", s.__version__)'

# The addon finds LibTorch where it was built, else, as here, in the Python distribution; it opens
# libtorch_cuda.so of that folder itself.
if [ "$device" = cuda ] || [ -e "$root/node.xz" ]; then
  find_lib='import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))'
  LD_LIBRARY_PATH=$("$SIMGPT_BENCH_PYTHON" -c "$find_lib")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi
"$node" "$root/bench/gpu/check.mjs" --device "$device"
"$node" "$root/bench/gpu/train.mjs" --device "$device" --model "$model" ${quick:+"$quick"}
"$node" "$root/bench/gpu/throughput.mjs" --device "$device" --model "$model" ${quick:+"$quick"}
