// Our side of bench/data.ts, in a process of its own, whose peak of memory is measured:
// `check-ours.ts ROWS.jsonl MODEL.gguf [tokens-only]`. Prints one JSON object.
import { modelCounter } from '../../src/data/check/counter.ts';
import type { ChatExample } from '../../src/data/formats/chat.ts';
import { openSource } from '../../src/data/source/rows.ts';
import { checkTask } from '../../src/jobs/work/data-check.ts';
import { voiceOf } from '../../src/jobs/work/prepare.ts';
import { openModel } from '../../src/weights/model-file.ts';

const [path, model, mode] = process.argv.slice(2) as [string, string, string?];
const { rows, tokens } = await (mode === 'tokens-only' ? tokensOnly() : everyCheck());
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
const seconds = (userCPUTime + systemCPUTime) / 1e6;
const figures = { seconds, rows, rows_per_second: rows / seconds, tokens, peak_mb: maxRSS / 1024 };
console.log(JSON.stringify(figures));

async function everyCheck() {
  const { report } = await checkTask(
    {
      kind: 'check',
      path,
      valid: null,
      model,
      modelName: null,
      contextLength: null,
      near: true,
      screen: 0,
      prices: null,
      html: null,
      fix: null,
      language: 'en',
    },
    { send: async () => {}, ask: async () => [] },
  );
  const { sound_rows: rows, tokens_per_row } = report.train;
  return { rows, tokens: tokens_per_row?.total ?? 0 };
}

async function tokensOnly() {
  const file = await openModel(model);
  const counter = modelCounter(await voiceOf(file), model, 4096);
  const source = await openSource(path);
  let [rows, tokens] = [0, 0];
  for await (const item of source.items()) {
    if (item.kind === 'problem') throw new Error(item.key);
    rows += 1;
    tokens += counter.row({ kind: 'chat', value: item.value as ChatExample }).tokens;
  }
  await source.close();
  await file.close();
  return { rows, tokens };
}
