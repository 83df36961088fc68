// Trains the classifier behind /v1/moderations from assets/moderation/data, measures it on rows that it
// has not seen, and writes both down:
//   node scripts/train-moderation.ts            writes the model and the tables of moderation.md
//   node scripts/train-moderation.ts --check    fails when they are not what training gives
// The same data give the same bytes. Takes half a minute.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { CATEGORIES, type Category } from '../src/moderate/categories.ts';
import { writeModel } from '../src/moderate/model-file.ts';
import { learn, quantized, rawScore } from './moderation/learn.ts';
import { bestCut, type Scored, steepnessOf } from './moderation/measure.ts';
import { tablesOf } from './moderation/report.ts';
import { readRows } from './moderation/rows.ts';
import { partsOf } from './moderation/split.ts';

const MODEL = fileURLToPath(new URL('../assets/moderation/model.bin.br', import.meta.url));
const DOCS = fileURLToPath(new URL('../docs/reference/moderation.md', import.meta.url));
const PARTS = 5;

const rows = readRows();
const parts = partsOf(rows, PARTS);
/** For each row the categories that a model trained without the row's part finds in it. */
const found = rows.map(() => new Set<Category>());
const models = CATEGORIES.map(train);
const bytes = writeModel(models);
const page = withTables(readFileSync(DOCS, 'utf8'));
if (process.argv.includes('--check')) check();
else write();

/** The model of all rows; beside it, each part of the rows is judged by a model of the other parts. */
function train(category: Category) {
  const scores = outOfPart(category);
  const known = (skip?: number): Scored[] =>
    rows.flatMap(({ labels }, i) => {
      const target = labels[category];
      return target === undefined || parts[i] === skip ? [] : [{ score: scores[i]!, target }];
    });
  const cuts = Array.from({ length: PARTS }, (_, part) => bestCut(known(part)));
  for (const [i, names] of found.entries()) {
    if (scores[i]! < cuts[parts[i]!]!) continue;
    names.add(category).add(category.split('/')[0] as Category);
  }
  const cut = bestCut(known());
  return quantized(learn(rows, category), cut, steepnessOf(known(), cut));
}

/** A score for each row, from a model that has not seen the row's part. */
function outOfPart(category: Category): Float64Array {
  const scores = new Float64Array(rows.length);
  for (let part = 0; part < PARTS; part++) {
    const model = learn(
      rows.filter((_, i) => parts[i] !== part),
      category,
    );
    for (const [i, { features }] of rows.entries())
      if (parts[i] === part) scores[i] = rawScore(model, features);
  }
  return scores;
}

function withTables(text: string): string {
  const marks = /(<!-- measured -->\n)[\s\S]*(\n<!-- \/measured -->)/;
  if (!marks.test(text)) throw new Error(`${DOCS} has no place for the tables`);
  const tables = tablesOf(rows, found);
  return text.replace(
    marks,
    (_, before: string, after: string) => `${before}\n${tables}\n${after}`,
  );
}

function write(): void {
  writeFileSync(MODEL, brotliCompressSync(bytes));
  writeFileSync(DOCS, page);
  process.stdout.write(`${tablesOf(rows, found)}\n`);
}

function check(): void {
  const sameModel = Buffer.compare(brotliDecompressSync(readFileSync(MODEL)), bytes) === 0;
  if (sameModel && readFileSync(DOCS, 'utf8') === page) return;
  process.stderr.write('The model or its documentation is not what the data give; train again.\n');
  process.exitCode = 1;
}
