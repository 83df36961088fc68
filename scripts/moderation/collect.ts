// Made assets/moderation/data once, from copies of the sources that its README names:
//   node scripts/moderation/collect.ts SHARED_DATA OPENAI_SAMPLES.jsonl.gz COLD_TEST.csv SST.csv DAVIDSON.csv
// Prompts are kept as text. Comments and stories that people wrote are kept as hashed features only:
// nobody has to read them, and training needs no more.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { randomStream, shuffled } from '../../src/lib/random.ts';
import { featuresOf } from '../../src/moderate/features.ts';
import { type Labels, labelled } from './labels.ts';
import { namesMinors } from './minors.ts';
import { DATA, type PackedRow } from './rows.ts';

const [shared, openai, cold, sst, davidson] = process.argv.slice(2);
if (davidson === undefined) throw new Error('five paths are needed; see the head of this file');

collectPrompts(join(shared!, 'safety'));
collectHarmless(shared!);
const comments = [...openaiSamples(openai!), ...coldComments(cold!), ...tweets(davidson)];
const lines = comments.map((row) => JSON.stringify(row)).join('\n');
writeFileSync(join(DATA, 'comments.features.br'), brotliCompressSync(lines));

function collectPrompts(safety: string): void {
  const jade = ['v1_en', 'v1_zh', 'v2_easy_zh', 'v2_medium_zh'].map((part) => `jade_${part}.csv`);
  for (const name of ['advbench_harmful_behaviors.csv', ...jade])
    write(name, readFileSync(join(safety, name), 'utf8').split('\n'));
  const tests = csv(sst!).filter((row) => row['harm_area'] !== 'Child safety');
  const rows = tests.map((row) => `${row['harm_area']}\t${row['prompts_final']?.trim()}`);
  write('simple-safety-tests.tsv', [...rows, '']);
}

/** In these files each row is one line. */
function write(name: string, rows: readonly string[]): void {
  writeFileSync(join(DATA, name), rows.filter((row) => !namesMinors(row)).join('\n'));
}

/** Everyday requests, a few hundred from each source. */
function collectHarmless(root: string): void {
  type Turn = { role?: string; from?: string; value?: string; content?: { value: string }[] };
  const first = (turns: Turn[], role: string) =>
    turns.find((turn) => (turn.role ?? turn.from) === role);
  const sources: Record<string, string[]> = {
    gsm8k: jsonl<{ question: string }>(join(root, 'gsm8k/test.jsonl')).map((row) => row.question),
    banking77: csv(join(root, 'banking77/train.csv')).map((row) => row['text']!),
    medicalgpt: jsonl<{ conversations: Turn[] }>(
      join(root, 'medicalgpt/medical_sft_1K_format.jsonl'),
    ).map((row) => first(row.conversations, 'human')?.value ?? ''),
    llamafactory: jsonl<{ messages: Turn[] }>(join(root, 'llamafactory/v1_sft_demo.jsonl')).map(
      (row) => first(row.messages, 'user')?.content?.[0]?.value ?? '',
    ),
    sentences: [
      ...sentencesOf(readFileSync(join(root, 'llamafactory/dpo_en_demo.json'), 'utf8')),
      ...sentencesOf(readFileSync(join(root, 'llamafactory/v1_sft_demo.jsonl'), 'utf8')),
    ],
    sentences_zh: [
      ...sentencesOf(readFileSync(join(root, 'llamafactory/dpo_zh_demo.json'), 'utf8')),
      ...sentencesOf(readFileSync(join(root, 'medicalgpt/dpo_zh_500.jsonl'), 'utf8')),
    ],
    reviews: csv(join(root, 'openai-cookbook/fine_food_reviews_1k.csv')).map((row) => row['Text']!),
    shakespeare: readFileSync(join(root, 'text/tinyshakespeare.txt'), 'utf8').split('\n\n'),
  };
  const lines = Object.entries(sources).flatMap(([source, texts]) =>
    shuffled([...new Set(texts)], randomStream(1, source))
      .filter((text) => text.length >= 4 && text.length <= 400)
      .slice(0, source.startsWith('sentences') ? 1800 : 350)
      .map((text) => JSON.stringify({ source, text })),
  );
  writeFileSync(join(DATA, 'harmless.jsonl'), `${lines.join('\n')}\n`);
}

/** OpenAI's own evaluation set. Rows about minors are left out altogether. */
function openaiSamples(path: string): PackedRow[] {
  type Sample = { prompt: string } & Partial<
    Record<'S' | 'H' | 'V' | 'HR' | 'SH' | 'S3' | 'H2' | 'V2', number>
  >;
  const samples = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  return samples
    .map((line) => JSON.parse(line) as Sample)
    .filter((sample) => sample.S3 !== 1)
    .map((sample) => {
      const labels: Record<string, number | undefined> = {
        harassment: sample.HR,
        'harassment/threatening': sample.HR === 0 ? 0 : undefined,
        hate: sample.H,
        'hate/threatening': sample.H2,
        'self-harm': sample.SH,
        'self-harm/instructions': sample.SH === 0 ? 0 : undefined,
        'self-harm/intent': sample.SH === 0 ? 0 : undefined,
        sexual: sample.S,
        violence: sample.V,
        'violence/graphic': sample.V2,
      };
      return pack('openai-samples', sample.prompt.slice(0, 1200), labels as Labels);
    });
}

/** Chinese comments: 0 harmless, 1 attacks a person, 2 attacks a group, 3 speaks against prejudice. */
function coldComments(path: string): PackedRow[] {
  const rows = shuffled(csv(path), randomStream(1, 'cold'));
  const quota: Record<string, number> = { 0: 900, 1: 700, 2: 900, 3: 400 };
  return rows.flatMap((row) => {
    const kind = row['fine-grained-label']!;
    quota[kind]! -= 1;
    if (quota[kind]! < 0) return [];
    const calm = {
      'self-harm': 0,
      'self-harm/instructions': 0,
      'self-harm/intent': 0,
      illicit: 0,
      'illicit/violent': 0,
    } as const;
    if (kind === '1') return [pack('cold', row['TEXT']!, { ...calm, harassment: 1 })];
    if (kind === '2') return [pack('cold', row['TEXT']!, { ...calm, hate: 1 })];
    return [
      pack('cold', row['TEXT']!, {
        ...calm,
        harassment: 0,
        hate: 0,
        'hate/threatening': 0,
        'harassment/threatening': 0,
      }),
    ];
  });
}

/** English tweets: 0 hateful, 1 rude, 2 neither. What is rude may be friendly, so it is left out. */
function tweets(path: string): PackedRow[] {
  const rows = shuffled(csv(path), randomStream(1, 'tweets'));
  const quota: Record<string, number> = { 0: 900, 1: 0, 2: 1800 };
  return rows.flatMap((row) => {
    const kind = row['class']!;
    quota[kind]! -= 1;
    if (quota[kind]! < 0) return [];
    const labels: Labels = kind === '0' ? { hate: 1 } : labelled([], ['sexual', 'violence']);
    return [pack('davidson', row['tweet']!.replace(/@\w+|https?:\S+|&\S+;/g, ' '), labels)];
  });
}

/** Sentences inside the strings of a JSON text, short ones as people type them. */
function sentencesOf(json: string): string[] {
  const strings = [...json.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(
    ([text]) => JSON.parse(text) as string,
  );
  return strings
    .flatMap((text) => text.split(/(?<=[.!?])\s+|(?<=[。！？])|\n+/))
    .map((text) => text.trim())
    .filter((text) => text.length >= 8 && text.length <= 120);
}

function pack(source: string, text: string, labels: Labels): PackedRow {
  const gaps = featuresOf(text).map((feature, i, all) => feature - (i === 0 ? 0 : all[i - 1]!));
  return { source, labels, features: Buffer.from(gaps.buffer).toString('base64') };
}

function csv(path: string): Record<string, string>[] {
  return parse(readFileSync(path), { columns: true, bom: true, skip_empty_lines: true });
}

function jsonl<T>(path: string): T[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as T);
}
