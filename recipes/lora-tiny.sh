#!/usr/bin/env bash
# The whole product in twenty lines: serve, upload, fine-tune, watch, ask, export, on the bundled tiny
# model. Takes seconds and leaves nothing behind. Run it from anywhere: recipes/lora-tiny.sh
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(mktemp -d)
tunery() { node scripts/tunery.mjs "$@"; }

# A server of its own, on a free port; the first line of its output is its address.
mkfifo "$data/address"
node scripts/tunery.mjs serve --port 0 --data-dir "$data/store" --models-dir assets/models --json >"$data/address" &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$data"' EXIT
TUNERY_BASE_URL=$(head -n 1 "$data/address" | sed 's/.*"url":"\([^"]*\)".*/\1/')
export TUNERY_BASE_URL

# Twelve rows are enough for a job; a file that is given by path is uploaded first.
for n in {1..12}; do
  echo '{"prompt": "Once upon a time", "completion": ", there was a tuner number '$n'."}'
done >"$data/rows.jsonl"
tunery files upload "$data/rows.jsonl"
tunery jobs create -m stories260k -t "$data/rows.jsonl" --suffix tiny --n-epochs 2 --follow
model=$(tunery models list | grep -o 'ft:[^ ]*:tiny:[A-Za-z0-9]*$' | head -n 1)
tunery chat -m "$model" --max-tokens 20 "Once upon a time"
tunery export "$model" --format gguf-adapter --output "$data/adapter"
