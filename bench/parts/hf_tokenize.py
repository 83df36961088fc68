"""The peer of bench/data.ts: datasets reads the rows, the tokenizer's chat template prints them, and
tokenizers encodes them with offsets, on one core. Arguments: rows.jsonl, folder of a tokenizer."""

import json
import os
import resource
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from transformers import AutoTokenizer  # noqa: E402

path, folder = sys.argv[1:3]
tokenizer = AutoTokenizer.from_pretrained(folder)


def tokenize(batch):
    texts = [
        tokenizer.apply_chat_template(messages, tokenize=False) for messages in batch["messages"]
    ]
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    return {"tokens": [len(ids) for ids in encoded["input_ids"]]}


try:
    from datasets import load_dataset

    rows = load_dataset("json", data_files=path, split="train", streaming=True)
    done = rows.map(tokenize, batched=True, batch_size=1000, remove_columns=rows.column_names)
    reader = "datasets"
except ImportError:  # the same work without the library: a lower bound of its time
    reader = "json"

    def batches():
        batch = []
        with open(path, encoding="utf8") as lines:
            for line in lines:
                batch.append(json.loads(line)["messages"])
                if len(batch) == 1000:
                    yield {"messages": batch}
                    batch = []
        if batch:
            yield {"messages": batch}

    done = ({"tokens": n} for batch in batches() for n in tokenize(batch)["tokens"])

count = tokens = 0
for row in done:
    count += 1
    tokens += row["tokens"]
usage = resource.getrusage(resource.RUSAGE_SELF)
seconds = usage.ru_utime + usage.ru_stime
print(
    json.dumps(
        {
            "seconds": seconds,
            "rows": count,
            "rows_per_second": count / seconds,
            "tokens": tokens,
            "peak_mb": usage.ru_maxrss / 1024,
            "reader": reader,
        }
    )
)
