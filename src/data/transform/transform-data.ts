// Carries out a recipe: steps in order over the rows of one file. Writes the result, a manifest beside
// it, and the map of what was redacted. The same inputs, steps and seed give the same bytes.
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { CodedError } from '../../lib/coded-error.ts';
import { randomStream } from '../../lib/random.ts';
import { HashTable, hashText } from '../analyse/hash-table.ts';
import { shapeOf } from '../convert/shapes.ts';
import { type ManifestInput, manifestOf, sha256Of, writeManifest } from '../source/manifest.ts';
import type { SourceOptions } from '../source/rows.ts';
import { mapTexts } from '../source/texts.ts';
import { type Written, writeRowsTo, writeTextTo } from '../source/write-rows.ts';
import { ExpressionError } from './expression.ts';
import {
  balance,
  bucket,
  dedupe,
  everyRow,
  filter,
  type Order,
  sample,
  shuffle,
  split,
} from './pick.ts';
import { highestMarks, Redactor, redactionMapIn, restore } from './redact.ts';
import { fewShot, prefixOf, redaction, rewritten, separators, stripPrefix } from './rewrite.ts';
import { collect, type RowSet, rowSetOf, type Scratch, withScratch } from './row-set.ts';
import { type Step, withPaths } from './steps.ts';

export type TransformRequest = {
  readonly path: string;
  /** What the manifest calls the input: `-` for standard input. */
  readonly inputName?: string | undefined;
  readonly output: string;
  readonly steps: readonly Step[];
  readonly seed: number;
};

export type StepReport = {
  readonly do: Step['do'];
  readonly rows_before: number;
  readonly rows_after: number;
  /** Lines of the input that are gone, at most LISTED of them. */
  readonly removed_lines: readonly number[];
  readonly [more: string]: unknown;
};
const LISTED = 1000;

export type Transformed = {
  readonly object: 'tunery.data_transformation';
  readonly steps: readonly StepReport[];
  readonly outputs: readonly Written[];
  readonly manifest: string;
  readonly redaction_map: string | null;
};

export async function transformData(
  request: TransformRequest,
  options: SourceOptions,
  onStep: (step: number) => void = () => {},
): Promise<Transformed> {
  try {
    return await withScratch((scratch) => run(request, options, scratch, onStep));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new CodedError('invalid_expression', error.message, { param: 'where', cause: error });
  }
}

type State = { set: RowSet; readonly parts: { name: string; set: RowSet }[] | null };

async function run(
  { path, inputName, output, steps, seed }: TransformRequest,
  options: SourceOptions,
  scratch: Scratch,
  onStep: (step: number) => void,
): Promise<Transformed> {
  const { sheet, encoding } = options;
  const inputs: Input[] = [
    {
      path,
      sha256: await sha256Of(path),
      rows: 0,
      ...(sheet !== undefined && { sheet }),
      ...(encoding !== undefined && { encoding }),
    },
  ];
  let state: State = { set: await rowSetOf(path, scratch, 'input', options), parts: null };
  inputs[0]!.rows = state.set.rows;
  const reports: StepReport[] = [];
  const redactor = { used: null as Redactor | null };
  for (const [i, step] of steps.entries()) {
    onStep(i + 1);
    if (state.parts !== null)
      throw new CodedError('invalid_value', `${steps[i - 1]!.do} must be the last step.`, {
        param: steps[i - 1]!.do,
      });
    const before = state.set;
    const { next, more } = await apply(step, before, {
      seed,
      scratch,
      i,
      inputs,
      options,
      redactor,
    });
    reports.push({
      do: step.do,
      rows_before: before.rows,
      rows_after: rowsOf(next),
      removed_lines: removed(step, before, next.set),
      ...more,
    });
    state = next;
  }
  const files =
    state.parts === null
      ? [{ path: output, set: state.set }]
      : state.parts.map(({ name, set }) => ({ path: partPath(output, name), set }));
  const { local, path: manifestPath } = manifestOf(output);
  await keepInputs(inputs, [...files.map((file) => file.path), manifestPath]);
  const outputs: Written[] = [];
  for (const file of files) {
    outputs.push(
      await writeRowsTo(file.path, async (writer) => {
        for (let row = 0; row < file.set.rows; row++) await writer.line(await file.set.text(row));
      }),
    );
  }
  let map: string | null = null;
  if (redactor.used !== null) {
    map = `${output}.redaction.json`;
    await writeTextTo(map, `${JSON.stringify(redactor.used.map, null, 2)}\n`);
  }
  const manifest = await writeManifest(output, {
    seed,
    steps: steps.map((step) => withPaths(step, local)),
    inputs: inputs.map((input, i) =>
      i === 0 && inputName !== undefined ? { ...input, name: inputName } : input,
    ),
    outputs,
  });
  return {
    object: 'tunery.data_transformation',
    steps: reports,
    outputs,
    manifest,
    redaction_map: map,
  };
}

type Input = ManifestInput & { rows: number };

/** An input that was written over could not be read again to repeat the recipe. */
async function keepInputs(inputs: readonly Input[], outputs: readonly string[]): Promise<void> {
  const identity = async (path: string) => {
    const found = await stat(path).catch(() => null);
    return found === null ? null : `${found.dev}/${found.ino}`;
  };
  const read = await Promise.all(inputs.map(({ path }) => identity(path)));
  for (const path of outputs) {
    const there = await identity(path);
    if (there !== null && read.includes(there))
      throw new CodedError(
        'output_is_input',
        `${path} is an input of this transformation and would be written over. Name another output with -o.`,
        { param: 'output' },
      );
  }
}

const rowsOf = ({ set, parts }: State) =>
  parts === null ? set.rows : parts.reduce((sum, part) => sum + part.set.rows, 0);

const partPath = (output: string, name: string) =>
  join(
    dirname(output),
    `${basename(output, extname(output))}_${name}${extname(output) || '.jsonl'}`,
  );

type Around = {
  readonly seed: number;
  readonly scratch: Scratch;
  readonly i: number;
  readonly inputs: Input[];
  readonly options: SourceOptions;
  readonly redactor: { used: Redactor | null };
};
type Applied = { readonly next: State; readonly more?: Record<string, unknown> };

async function apply(step: Step, set: RowSet, around: Around): Promise<Applied> {
  const { seed, scratch, i } = around;
  const keep = (order: Order): Applied => ({ next: { set: set.picked(order), parts: null } });
  const change = async (how: Parameters<typeof rewritten>[3], more = {}): Promise<Applied> => ({
    next: { set: await rewritten(set, scratch, `step-${i}`, how), parts: null },
    more,
  });
  switch (step.do) {
    case 'dedupe':
      return keep(await dedupe(set, step));
    case 'filter':
      return keep(await filter(set, step));
    case 'shuffle':
      return keep(shuffle(set, seed, `shuffle/${i}`));
    case 'sample':
      return keep(sample(set, step, seed));
    case 'balance':
      return keep(await balance(set, step, seed));
    case 'bucket':
      return keep(await bucket(set, step, seed));
    case 'redact': {
      const used = highestMarks();
      for (let row = 0; row < set.rows; row++) used.look(await set.text(row));
      around.redactor.used ??= new Redactor(step.kinds ?? null, used.marks);
      const done = await change(redaction(around.redactor.used));
      return { ...done, more: { redacted: Object.keys(around.redactor.used.map).length } };
    }
    case 'restore': {
      const map = await redactionMapIn(step.map);
      around.inputs.push({ path: step.map, sha256: await sha256Of(step.map), rows: 0 });
      return change((value) => mapTexts(value, (text) => restore(text, map)));
    }
    case 'curve':
      return {
        next: {
          set,
          parts: step.shares.map((part) => ({
            name: String(Number((part * 100).toFixed(4))).replace('.', '_'),
            set: set.picked(sample(set, { do: 'sample', share: part }, seed)),
          })),
        },
      };
    case 'separator':
      return change(separators(step));
    case 'strip-prefix': {
      const prefix = await prefixOf(set, step);
      return change(stripPrefix(prefix), { prefix });
    }
    case 'few-shot':
      return change(fewShot(set, step, seed));
    case 'mix':
      return mix(step, set, around);
    case 'split': {
      const parts = (await split(set, step, seed)).map(({ name, rows }) => ({
        name,
        set: set.picked(rows),
      }));
      const shared = await copiesAcross(parts.map((part) => part.set));
      return {
        next: { set, parts },
        more: {
          parts: Object.fromEntries(parts.map((part) => [part.name, part.set.rows])),
          // The parts are not apart then; --dedupe exact before the split helps.
          ...(shared > 0 && { copies_across_parts: shared }),
        },
      };
    }
    default:
      return step satisfies never;
  }
}

async function mix(
  step: Extract<Step, { do: 'mix' }>,
  own: RowSet,
  around: Around,
): Promise<Applied> {
  const { seed, scratch, i, inputs, options } = around;
  const general = await rowSetOf(step.path, scratch, `general-${i}`, {
    signal: options.signal,
    say: options.say,
  });
  inputs.push({ path: step.path, sha256: await sha256Of(step.path), rows: general.rows });
  await sameForm(own, general, step.path);
  const [a, b] = step.ratio.split(':').map(Number) as [number, number];
  if (!(a > 0))
    throw new CodedError('invalid_value', `the ratio ${step.ratio} has no own rows.`, {
      param: 'ratio',
    });
  const wanted = Math.round((own.rows * b) / a);
  if (wanted > general.rows && !step.repeat)
    throw new CodedError(
      'too_few_general_rows',
      `A ratio of ${step.ratio} needs ${wanted} general rows for ${own.rows} own ones; ${step.path} has ` +
        `${general.rows}. Use a smaller ratio, fewer own rows, or --repeat.`,
      { param: 'ratio' },
    );
  const drawn: number[] = [];
  for (let round = 0; drawn.length < wanted; round++)
    drawn.push(...shuffle(general, seed, `mix/${i}/${round}`).slice(0, wanted - drawn.length));
  const mixed = await collect(scratch, `step-${i}`, async (add) => {
    for (const row of everyRow(own)) await add(await own.text(row), own.lines[row]!);
    for (const row of drawn) await add(await general.text(row), general.lines[row]!);
  });
  const order = shuffledOrder(mixed.rows, seed, i);
  return {
    next: { set: mixed.picked(order), parts: null },
    more: { own: own.rows, general: drawn.length },
  };
}

/** Rows of another form beside ours would make a file that no job takes. */
async function sameForm(own: RowSet, general: RowSet, path: string): Promise<void> {
  if (own.rows === 0 || general.rows === 0) return;
  const [a, b] = [shapeOf(await own.value(0)), shapeOf(await general.value(0))];
  if (a === b) return;
  throw new CodedError(
    'other_form',
    `The rows of ${basename(path)} are in the form ${b ?? 'unknown'}, the own ones in the form ${a ?? 'unknown'}. ` +
      `Convert one of them first: tunery data convert ${basename(path)} --to ${a ?? 'chat'}`,
    { param: 'mix' },
  );
}

function shuffledOrder(rows: number, seed: number, i: number): number[] {
  const random = randomStream(seed, `mix/${i}/order`);
  const order = Array.from({ length: rows }, (_, row) => row);
  for (let at = rows - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  return order;
}

/** Rows that stand in more than one part. */
async function copiesAcross(parts: readonly RowSet[]): Promise<number> {
  const first = new HashTable();
  let copies = 0;
  for (const [part, set] of parts.entries())
    for (let row = 0; row < set.rows; row++) {
      const before = first.putFirst(hashText(await set.text(row)), part);
      if (before !== null && before !== part) copies += 1;
    }
  return copies;
}

/** Only steps that drop rows say which. */
function removed(step: Step, before: RowSet, after: RowSet): number[] {
  if (step.do !== 'dedupe' && step.do !== 'filter') return [];
  const kept = new Set(after.lines);
  return [...before.lines].filter((line) => !kept.has(line)).slice(0, LISTED);
}
