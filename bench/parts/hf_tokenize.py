"""The peer of bench/data.ts: datasets reads the rows, the model's chat template prints them, and
tokenizers encodes them, on one core. Arguments: rows.jsonl, model.gguf (its tokenizer and template).
Importing the libraries and loading the tokenizer are not counted.
Needs datasets, transformers, gguf, torch (transformers reads a GGUF file with it).
"""

import json
import os
import resource
import sys
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="tunery-bench-hf-")

from datasets import load_dataset  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

path, model = sys.argv[1:3]
tokenizer = AutoTokenizer.from_pretrained(os.path.dirname(model), gguf_file=os.path.basename(model))


def seconds_used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def tokenize(batch):
    texts = tokenizer.apply_chat_template(batch["messages"], tokenize=False)
    return {"ids": tokenizer(texts, add_special_tokens=False)["input_ids"]}


start = seconds_used()
rows = load_dataset("json", data_files=path, split="train", streaming=True)
done = rows.map(tokenize, batched=True, batch_size=1000, remove_columns=["messages"])
count = tokens = 0
for batch in done.iter(batch_size=1000):
    count += len(batch["ids"])
    tokens += sum(len(ids) for ids in batch["ids"])
seconds = seconds_used() - start
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(
    json.dumps(
        {
            "seconds": seconds,
            "rows": count,
            "rows_per_second": count / seconds,
            "tokens": tokens,
            "peak_mb": peak_mb,
        }
    )
)
