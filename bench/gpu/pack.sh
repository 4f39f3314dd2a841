#!/bin/sh
# The half of the GPU bench that runs here: packs what a GPU host without Node and without network
# needs, into one tar file.
#   bench/gpu/pack.sh OUT.tar [--float16]
# --float16 packs the model's weights in half precision (45 MB); without it the host draws random
# weights of the same shape, which serve for speed. SIMGPT_MODEL names the model folder, SIMGPT_SHARED
# the folder with data/sts, SIMGPT_BENCH_PYTHON a Python with torch (for --float16).
set -eu

out=${1:?usage: bench/gpu/pack.sh OUT.tar [--float16]}
weights=${2:-random}
root=$(cd "$(dirname "$0")/../.." && pwd)
shared=${SIMGPT_SHARED:-$root/../shared}
model=${SIMGPT_MODEL:-$shared/models/all-MiniLM-L6-v2}
python=${SIMGPT_BENCH_PYTHON:-$root/bench/peers/env/bin/python}

need() {
  [ -e "$1" ] || { echo "pack.sh: expected $1: $2" >&2; exit 1; }
}
need "$root/build/Release/simgpt.node" 'run npm run setup'
need "$root/dist/index.js" 'run npm run setup'
need "$root/build/bench/harness/side.js" 'run npx tsc -b'
need "$model/config.json" 'SIMGPT_MODEL names a model folder'
need "$shared/data/sts/sts12.tsv" 'SIMGPT_SHARED names the folder of shared data'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
pack=$work/simgpt-gpu
mkdir -p "$pack/build/Release" "$pack/bench" "$pack/node_modules" "$pack/test" "$pack/model"

cp "$root/package.json" "$pack/"
cp -R "$root/dist" "$pack/dist"
cp -R "$root/bench/gpu" "$pack/bench/gpu"
mkdir "$pack/bench/peers"
cp "$root"/bench/peers/*.mjs "$root"/bench/peers/*.py "$pack/bench/peers/"
cp -R "$root/build/bench" "$pack/build/bench"
cp -RL "$root/node_modules/tinybench" "$pack/node_modules/tinybench"
cp -R "$root/test/golden" "$pack/test/golden"

cp "$root/build/Release/simgpt.node" "$pack/build/Release/"
strip --strip-unneeded "$pack/build/Release/simgpt.node"
if [ -e "$root/build/Release/simgpt_cuda.so" ]; then
  cp "$root/build/Release/simgpt_cuda.so" "$pack/build/Release/"
else
  echo 'pack.sh: no build/Release/simgpt_cuda.so (SIMGPT_COMPILE_CUDA=1 npm run setup): packed without' >&2
fi

node=$(command -v node)
cp -L "$node" "$work/node"
strip "$work/node"
xz -6 -T0 -c "$work/node" > "$pack/node.xz"

# Everything of the model but its weights.
(cd "$model" && find . -type f ! -name '*.safetensors' ! -name '*.bin') | while read -r file; do
  mkdir -p "$pack/model/$(dirname "$file")"
  cp "$model/$file" "$pack/model/$file"
done
if [ "$weights" = --float16 ]; then
  "$python" "$root/bench/gpu/weights.py" float16 "$model" "$pack/model"
fi

# Both sentences of every pair, one a line; the host keeps each once.
for file in "$shared"/data/sts/*.tsv; do
  tail -n +2 "$file"
done | gzip -9 > "$pack/sts.tsv.gz"

tar -cf "$out" -C "$work" simgpt-gpu
ls -l "$out"
echo "there: tar -xf $(basename "$out") && simgpt-gpu/bench/gpu/run.sh"
