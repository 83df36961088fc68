#!/usr/bin/env bash
# Growth by labels of a model's own (DP-52): trains the best model on a few rows, lets it answer questions
# that nobody has answered yet, and trains the cheap model on all of them. Runs on the bundled tiny model
# for show; for real use, set BEST and CHEAP and bring FEW.jsonl (chat rows) and QUESTIONS.txt (a question a
# line): recipes/label-and-grow.sh FEW.jsonl QUESTIONS.txt. What the model labelled is marked as such, row by
# row, in labelled.jsonl.provenance.jsonl, beside FEW.jsonl or in the folder OUT.
set -euo pipefail
few=$(realpath "${1:-/dev/null}") questions=$(realpath "${2:-/dev/null}")
cd "$(dirname "$0")/.."
BEST=${BEST:-stories260k} CHEAP=${CHEAP:-stories260k} EPOCHS=${EPOCHS:-2}
data=$(mktemp -d)
tunery() { node scripts/tunery.mjs "$@"; }

mkfifo "$data/address"
node scripts/tunery.mjs serve --port 0 --data-dir "$data/store" --models-dir "${MODELS:-assets/models}" --json >"$data/address" &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$data"' EXIT
TUNERY_BASE_URL=$(head -n 1 "$data/address" | sed 's/.*"url":"\([^"]*\)".*/\1/')
export TUNERY_BASE_URL

out=${OUT:-$(dirname "$few")}
if [ "$few" = /dev/null ]; then
  out=${OUT:-$data}
  few=$data/few.jsonl questions=$data/questions.txt
  for n in {1..12}; do
    echo '{"messages": [{"role": "user", "content": "Who is number '$n'?"}, {"role": "assistant", "content": "A little dog named Tim."}]}' >>"$few"
    echo "Who is number $((n + 100))?" >>"$questions"
  done
fi

# 1. The best model, on the few rows.
tunery jobs create -m "$BEST" -t "$few" --suffix best --n-epochs "$EPOCHS" --follow
best=$(tunery models list | grep -o 'ft:[^ ]*:best:[A-Za-z0-9]*$' | head -n 1)
# 2. Its answers to the questions.
tunery data distil "$questions" --model "$best" --temperature 0 --max-tokens 60 -o "$out/labelled.jsonl"
# 3. The cheap model, on all rows in random order.
cat "$few" "$out/labelled.jsonl" >"$out/together.jsonl"
tunery data transform "$out/together.jsonl" --dedupe exact --shuffle -o "$out/all.jsonl"
tunery jobs create -m "$CHEAP" -t "$out/all.jsonl" --suffix grown --n-epochs "$EPOCHS" --follow
tunery chat -m "$(tunery models list | grep -o 'ft:[^ ]*:grown:[A-Za-z0-9]*$' | head -n 1)" --max-tokens 20 "Who is number 7?"
