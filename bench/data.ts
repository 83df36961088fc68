// `tunery data check` against Hugging Face datasets + tokenizers on the same rows, template and tokenizer:
// parse, template and tokenization on one core there; here all of that and every check besides.
//
//   node bench/data.ts [--rows 1000000] [--model FILE.gguf --tokenizer FOLDER] [--python PYTHON]
//
// Prints seconds of processor time, rows per second of it, and the peak of memory, for each side; then
// the search for near-duplicates in 200,000 rows by the clock.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NearDuplicates } from '../src/data/analyse/near.ts';
import { checkTask } from '../src/jobs/work/data-check.ts';
import { randomStream } from '../src/lib/random.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    model: { type: 'string' },
    tokenizer: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    /** Set in the child that is measured. */
    measure: { type: 'string' },
  },
});

if (values.measure !== undefined) await measureCheck(values.measure);
else await compare();

async function compare(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-bench-data-'));
  try {
    const path = join(folder, 'rows.jsonl');
    await writeRows(path, Number(values.rows));
    console.log(`${values.rows} rows, ${((await stat(path)).size / 1e6).toFixed(0)} MB`);
    const own = fileURLToPath(import.meta.url);
    const model = values.model === undefined ? [] : ['--model', values.model];
    console.log('tunery', await run(process.execPath, [own, '--measure', path, ...model]));
    if (values.tokenizer !== undefined) {
      const peer = join(import.meta.dirname, 'parts', 'hf_tokenize.py');
      console.log('hugging face', await run(values.python, [peer, path, values.tokenizer]));
    }
    await nearDuplicates();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** In a process of its own: the peak of memory is the process's. */
async function measureCheck(path: string): Promise<void> {
  const { report } = await checkTask(
    {
      kind: 'check',
      path,
      valid: null,
      model: values.model ?? null,
      modelName: values.model ?? null,
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
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const seconds = (userCPUTime + systemCPUTime) / 1e6;
  console.log(
    JSON.stringify({
      seconds,
      rows: report.train.sound_rows,
      rows_per_second: report.train.sound_rows / seconds,
      tokens: report.train.tokens_per_row?.total,
      peak_mb: maxRSS / 1024,
    }),
  );
}

async function nearDuplicates(): Promise<void> {
  const texts: string[] = [];
  for (const row of rows(200_000)) texts.push(`${row.user}\n${row.assistant}`);
  const start = performance.now();
  const near = new NearDuplicates();
  for (const [i, text] of texts.entries()) near.add(i, text);
  const found = await near.find(async (row) => texts[row]!);
  const seconds = (performance.now() - start) / 1000;
  console.log('near-duplicates', { rows: texts.length, found: found.length, seconds });
}

/** About 500 bytes each; one row in a hundred is a near copy of the one before. */
function* rows(count: number): Generator<{ user: string; assistant: string }> {
  const words = readFileSync(
    new URL('../assets/general-words/en.txt', import.meta.url),
    'utf8',
  ).split('\n');
  const random = randomStream(1, 'bench');
  const text = (length: number) =>
    Array.from({ length }, () => words[Math.floor(random() ** 2 * words.length)]).join(' ');
  let last = { user: text(30), assistant: text(35) };
  for (let i = 0; i < count; i++) {
    if (i % 100 === 99) last = { ...last, assistant: `${last.assistant} ${i}` };
    else last = { user: `${text(30)}?`, assistant: `${text(35)}.` };
    yield last;
  }
}

async function writeRows(path: string, count: number): Promise<void> {
  const stream = createWriteStream(path);
  for (const { user, assistant } of rows(count)) {
    const messages = [
      { role: 'user', content: user },
      { role: 'assistant', content: assistant },
    ];
    if (!stream.write(`${JSON.stringify({ messages })}\n`)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'close');
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return out.trim();
}
