#!/bin/sh
# Make the environment that serves models by vLLM, unless it is there and made from these very files:
#   sh deploy/vllm/environment.sh [cpu|gpu]     without a word: gpu where nvidia-smi finds one, else cpu
# It lies in $LOVELOOP_VLLM_ENV, by default ~/.cache/loveloop/vllm. PYTHON and UV name the programs that make it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=${LOVELOOP_VLLM_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/loveloop/vllm}
python=${PYTHON:-python3.11}
uv=${UV:-uv}
kind=${1:-}
if [ -z "$kind" ]; then
  if nvidia-smi --list-gpus >/dev/null 2>&1; then kind=gpu; else kind=cpu; fi
fi
[ -f "$here/$kind.txt" ] || { echo "no kind of environment '$kind': say cpu or gpu" >&2; exit 2; }
overrides=$here/$kind-overrides.txt
[ -f "$overrides" ] || overrides=/dev/null
stamp=$(cat "$here/environment.sh" "$here/$kind.txt" "$overrides" | sha256sum | cut -c1-16)-$kind
if [ "$(cat "$place/made-from" 2>/dev/null)" = "$stamp" ] && [ -x "$place/bin/python" ]; then
  echo "vLLM's environment is there: $place ($kind)"
  exit 0
fi
if [ "$kind" = cpu ] && ! "$python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; then
  echo "vLLM's build for processors needs the library libnuma.so.1, which is not here: install it and run this again (Debian, Ubuntu: apt-get install libnuma1; Fedora: dnf install numactl-libs)" >&2
  exit 1
fi
echo "making vLLM's environment in $place ($kind; some gigabytes, once)"
rm -f "$place/made-from"
"$python" -m venv --clear "$place"
"$uv" pip install --quiet --compile-bytecode --python "$place/bin/python" --requirement "$here/$kind.txt" --override "$overrides"
"$place/bin/python" -c "import vllm"
echo "$stamp" >"$place/made-from"
