// `tunery data check` against Hugging Face datasets + tokenizers on the same rows, with the same template
// and tokenizer, per core: both sides count seconds of processor time. There: parse, template and
// tokenization. Here: all of that and every check, and once more without the checks.
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NearDuplicates } from '../src/data/analyse/near.ts';
import { DATA_FLAGS } from '../src/jobs/data-tasks.ts';
import { randomStream } from '../src/lib/random.ts';
import { type Args, count, cpu, findModel, runJson, text } from './parts/measure.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

type Side = { rows: number; rows_per_second: number; tokens: number; peak_mb: number };

/** Options: --rows 1000000, --near-rows 200000, --model FILE.gguf, --python python3 (with datasets,
 *  transformers and gguf), --peer no to leave the peer out. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const model = findModel(args);
  const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-data-'));
  try {
    const path = join(folder, 'rows.jsonl');
    await writeRows(path, count(args, 'rows', 1_000_000));
    const part = (...more: string[]) =>
      runJson(process.execPath, [
        ...DATA_FLAGS,
        here('./parts/check-ours.ts'),
        path,
        model,
        ...more,
      ]) as Promise<Side>;
    const checked = await part();
    const tokensOnly = await part('tokens-only');
    const peer =
      text(args, 'peer', 'yes') === 'no'
        ? null
        : ((await runJson(text(args, 'python', 'python3'), [
            here('./parts/hf_tokenize.py'),
            path,
            model,
          ])) as Side);
    const ratio = (side: Side) => peer && side.rows_per_second / peer.rows_per_second;
    return {
      cpu: cpu(),
      mb: statSync(path).size / 1e6,
      tunery_check: checked,
      tunery_tokens_only: tokensOnly,
      hugging_face: peer,
      same_tokens: peer && checked.tokens === peer.tokens && tokensOnly.tokens === peer.tokens,
      ratio_per_core: ratio(checked),
      ratio_per_core_tokens_only: ratio(tokensOnly),
      near_duplicates: await nearDuplicates(count(args, 'near-rows', 200_000)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function nearDuplicates(size: number) {
  const texts: string[] = [];
  for (const row of rows(size)) texts.push(`${row.user}\n${row.assistant}`);
  const start = performance.now();
  const near = new NearDuplicates();
  for (const [i, item] of texts.entries()) near.add(i, item);
  const found = await near.find(async (row) => texts[row]!);
  const seconds = (performance.now() - start) / 1000;
  return { rows: texts.length, found: found.length, seconds };
}

/** About 500 bytes each; one row in a hundred is a near copy of the one before. */
function* rows(size: number): Generator<{ user: string; assistant: string }> {
  const words = readFileSync(
    new URL('../assets/general-words/en.txt', import.meta.url),
    'utf8',
  ).split('\n');
  const random = randomStream(1, 'bench');
  const phrase = (length: number) =>
    Array.from({ length }, () => words[Math.floor(random() ** 2 * words.length)]).join(' ');
  let last = { user: phrase(30), assistant: phrase(35) };
  for (let i = 0; i < size; i++) {
    if (i % 100 === 99) last = { ...last, assistant: `${last.assistant} ${i}` };
    else last = { user: `${phrase(30)}?`, assistant: `${phrase(35)}.` };
    yield last;
  }
}

async function writeRows(path: string, size: number): Promise<void> {
  const stream = createWriteStream(path);
  for (const { user, assistant } of rows(size)) {
    const messages = [
      { role: 'user', content: user },
      { role: 'assistant', content: assistant },
    ];
    if (!stream.write(`${JSON.stringify({ messages })}\n`)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
}
