#!/usr/bin/env bash
# numba with cache=True does not compile anew where a file of its cache was cut short, as by a copy or a write that was interrupted: each later start raises what pickle says of half a file (numba's issue 10434).
# Users delete the .nbi and .nbc files in __pycache__; who ships functions with cache=True tells them so, or wraps the reading of the cache, as numba passes over OSError alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH PYTHONPYCACHEPREFIX "${!NUMBA_@}"

cat > own.py <<'PYTHON'
import numba


@numba.njit(cache=True)
def double(x):
    return 2 * x


try:
    print(double(1.5), "from the cache" if double.stats.cache_hits else "compiled")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
PYTHON

cat > known <<'TEXT'
nothing kept yet: 3.0 compiled
kept: 3.0 from the cache
index (.nbi) cut to half: UnpicklingError: pickle data was truncated
the start after that: UnpicklingError: pickle data was truncated
index (.nbi) cut to nothing: EOFError: Ran out of input
the start after that: EOFError: Ran out of input
data (.nbc) cut to half: UnpicklingError: pickle data was truncated
the start after that: UnpicklingError: pickle data was truncated
data (.nbc) cut to nothing: EOFError: Ran out of input
the start after that: EOFError: Ran out of input
the cache deleted: 3.0 compiled
TEXT

python3.11 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check numba==0.68.1 numpy==2.4.6

start() { # what happens in a new process, after these words
  echo "$1: $(venv/bin/python own.py)"
}

cut_short() { # a file of the cache, to its size divided by this, and start twice
  local name=$1 ending=$2 words=$3 parts=$4 file size
  rm -rf __pycache__
  venv/bin/python own.py > /dev/null
  file=$(ls __pycache__/*."$ending")
  size=$(wc -c < "$file")
  truncate -s $((parts ? size / parts : 0)) "$file"
  start "$name (.$ending) cut to $words"
  start "the start after that"
}

echo "Expected: what cannot be read of the cache is compiled anew, as where it is missing."
echo "Seen with numba 0.68.1, each line a process of its own:"
{
  start "nothing kept yet"
  start "kept"
  cut_short index nbi half 2
  cut_short index nbi nothing 0
  cut_short data nbc half 2
  cut_short data nbc nothing 0
  rm -rf __pycache__
  start "the cache deleted"
} | tee seen
cmp -s seen known || { echo "CHANGED: it was"; cat known; exit 1; }
