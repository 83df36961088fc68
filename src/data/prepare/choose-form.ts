// Whether the rows are pairs of columns or samples of a known form, and which columns it is. Shows what
// it decided on three rows and has it confirmed; without anybody to ask it decides only what is plain.
import { readSample, ShapeError } from '../convert/read.ts';
import { type Shape, shapeOf } from '../convert/shapes.ts';
import { writeSample } from '../convert/write.ts';
import { problem, type TableItem, type TableRow } from '../read-table/table.ts';
import type { Input } from './input.ts';
import {
  guessColumns,
  type Mapping,
  MappingError,
  type PartSource,
  partOf,
  shownSource,
  unknownColumns,
} from './mapping.ts';
import type { PrepareOptions } from './options.ts';
import { PrepareError } from './report.ts';
import type { Ui } from './ui.ts';

export type PairsForm = {
  readonly kind: 'pairs';
  /** Null: columns called prompt and completion, or what goes for them. */
  readonly mapping: Mapping | null;
  /** The rows are another form, of which pairs are made. */
  readonly made: boolean;
  readonly columns: readonly string[];
  readonly items: AsyncIterable<TableItem>;
};
export type SamplesForm = {
  readonly kind: 'samples';
  readonly shape: Shape;
  readonly mapping: Mapping | null;
  readonly items: AsyncIterable<TableItem>;
};

const EXAMPLES = 3;
const PAIR_SHAPES: readonly (Shape | null)[] = ['completion', 'qa', 'classification', 'text', null];

export async function chooseForm(
  input: Input,
  options: PrepareOptions,
  ui: Ui,
): Promise<PairsForm | SamplesForm> {
  const { columns } = input;
  const { head, items } = await peek(input.items);
  const rows = head.filter((item): item is TableRow => item.kind === 'row').slice(0, EXAMPLES);
  const given = givenMapping(input, options, ui);
  if (options.legacy)
    return { kind: 'pairs', mapping: given ?? textLines(input), made: false, columns, items };
  // Without a row there is nothing to choose; the problems say why.
  if (rows[0] === undefined) return { kind: 'pairs', mapping: given, made: false, columns, items };
  const shape = shapeOf(rows[0].values);
  const flags = given !== null || options.prompt !== null || options.completion !== null;
  if (!flags && shape !== null && !PAIR_SHAPES.includes(shape)) {
    if (options.to !== 'completion') return { kind: 'samples', shape, mapping: null, items };
    return {
      kind: 'pairs',
      mapping: null,
      made: true,
      columns: PAIR_COLUMNS,
      items: asPairs(items, shape),
    };
  }
  const mapping = given ?? (await decide(input, rows, options, ui));
  if (options.to === 'chat') return { kind: 'samples', shape: 'completion', mapping, items };
  return { kind: 'pairs', mapping, made: false, columns, items };
}

const PAIR_COLUMNS = ['prompt', 'completion'];

/** Conversations as prompt and completion: separator and ending are the business of the checks. */
async function* asPairs(items: AsyncIterable<TableItem>, shape: Shape): AsyncGenerator<TableItem> {
  for await (const item of items) {
    if (item.kind === 'problem') {
      yield item;
      continue;
    }
    try {
      const { sample } = readSample(shape, item.values);
      const { row } = writeSample('completion', sample, { system: null, separator: '', stop: '' });
      if (row === null) throw new ShapeError('', 'it has no place for this');
      yield { ...item, values: row };
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      const params = { form: shape, reason: error.message };
      const raw = JSON.stringify(item.values).slice(0, 2000);
      yield problem(item.file, item.line, 'data.other_form', params, { path: error.path, raw });
    }
  }
}

function givenMapping(input: Input, options: PrepareOptions, { say }: Ui): Mapping | null {
  const { prompt, completion } = options;
  for (const source of [prompt, completion]) {
    const [column] = source === null ? [] : unknownColumns(source, input.columns);
    if (column !== undefined) {
      const columns = input.columns.join(', ');
      throw new PrepareError('no_column', say('prepare.no_column', { column, columns }));
    }
  }
  if (completion === null) return null;
  const named = input.columns.find((column) => column.toLowerCase() === 'prompt');
  if (prompt !== null) return { prompt, completion };
  return named === undefined ? null : { prompt: { column: named }, completion };
}

async function decide(
  input: Input,
  rows: readonly TableRow[],
  options: PrepareOptions,
  ui: Ui,
): Promise<Mapping | null> {
  const { columns } = input;
  const { say, print, askText } = ui;
  const find = (name: string) => columns.find((column) => column.toLowerCase() === name);
  const named = (name: string) => find(name) !== undefined;
  const flags = options.prompt !== null || options.completion !== null;
  if (!flags && named('prompt') && named('completion')) {
    if (options.to !== 'chat') return null;
    return { prompt: { column: find('prompt')! }, completion: { column: find('completion')! } };
  }
  const lines = textLines(input);
  if (!flags && lines !== null) return lines;
  const [only] = columns;
  if (!flags && columns.length === 1 && /^(text|content|文本)$/i.test(only ?? ''))
    return { prompt: null, completion: { column: only! } };
  const values = rows.map((row) => row.values);
  const guess = guessColumns(columns, values);
  const prompt = options.prompt ?? asColumn(guess.prompt);
  const completion = options.completion ?? asColumn(guess.completion);
  if (prompt !== null && completion !== null) {
    const mapping = { prompt, completion };
    const good = show(mapping, rows, ui);
    if (askText === null && (guess.sure || flags) && good) {
      print(`${say('prepare.map_ask')}Y\n`);
      return mapping;
    }
    if (askText !== null && (await ui.confirm(say('prepare.map_ask')))) return mapping;
  }
  if (askText === null) {
    const missing = ['prompt', 'completion'].filter((name) => !named(name));
    // One of the two is there by its name: then it is plain what is missing.
    if (missing.length === 1) throw missingColumn(missing[0]!, columns, ui);
    if (columns.includes('message'))
      throw new PrepareError('unknown_format', say('prepare.message_key'));
    const params = { columns: columns.join(', ') };
    throw new PrepareError('mapping_unclear', say('prepare.map_unsure', params));
  }
  const list = columns.join(', ');
  const asked = {
    prompt: await askColumn(say('prepare.map_prompt_ask', { columns: list }), columns, ui),
    completion: await askColumn(say('prepare.map_completion_ask', { columns: list }), columns, ui),
  };
  show(asked, rows, ui);
  if (await ui.confirm(say('prepare.map_ask'))) return asked;
  throw new PrepareError('mapping_refused', say('prepare.map_refused'));
}

/** Plain text is all completion. */
const textLines = ({ parts }: Input): Mapping | null =>
  parts.every(({ format }) => format === 'txt')
    ? { prompt: null, completion: { column: 'text' } }
    : null;

export const missingColumn = (column: string, columns: readonly string[], { say }: Ui) =>
  new PrepareError(
    'necessary_column',
    say('prepare.error', {
      check: 'necessary_column',
      message: say('prepare.column_missing', { column, columns: columns.join(', ') }),
    }),
  );

const asColumn = (column: string | null): PartSource | null =>
  column === null ? null : { column };

async function askColumn(
  question: string,
  columns: readonly string[],
  ui: Ui,
): Promise<PartSource> {
  const answer = ((await ui.askText?.(question)) ?? '').trim();
  if (columns.includes(answer)) return { column: answer };
  const params = { column: answer, columns: columns.join(', ') };
  throw new PrepareError('no_column', ui.say('prepare.no_column', params));
}

/** False if the columns hold something that is no text, or have no names. */
function show(mapping: Mapping, rows: readonly TableRow[], { say, print }: Ui): boolean {
  const { prompt, completion } = mapping;
  print(`\n\n${say('prepare.map_title')}\n`);
  if (prompt !== null)
    print(`${say('prepare.map_from', { part: 'prompt', source: shownSource(prompt) })}\n`);
  print(`${say('prepare.map_from', { part: 'completion', source: shownSource(completion) })}\n`);
  let good = true;
  for (const { row, values } of rows) {
    print(`${say('prepare.map_row', { row })}\n`);
    try {
      const texts = {
        prompt: prompt === null ? '' : partOf(prompt, values),
        completion: partOf(completion, values),
      };
      print(`${say('prepare.map_prompt', { text: short(texts.prompt) })}\n`);
      print(`${say('prepare.map_completion', { text: short(texts.completion) })}\n`);
    } catch (error) {
      if (!(error instanceof MappingError)) throw error;
      const column = String(error.cause);
      print(`    ${say('prepare.not_text', { column, got: error.message, row })}\n`);
      good = false;
    }
  }
  // A column that is called like one of its own cells: the header is missing.
  const columns = [prompt, completion].flatMap((part) =>
    part !== null && 'column' in part ? [part.column] : [],
  );
  const cell = columns.find((column) => rows.some(({ values }) => values[column] === column));
  if (cell !== undefined) print(`${say('prepare.no_header', { cell })}\n`);
  return good && cell === undefined;
}

function short(text: string): string {
  const line = JSON.stringify(text);
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

async function peek(all: AsyncIterable<TableItem>) {
  const iterator = all[Symbol.asyncIterator]();
  const head: TableItem[] = [];
  let rows = 0;
  while (rows < EXAMPLES) {
    const { value, done } = await iterator.next();
    if (done) break;
    head.push(value);
    if (value.kind === 'row') rows += 1;
  }
  async function* items(): AsyncGenerator<TableItem> {
    yield* head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head, items: items() };
}
