// Rows of a known form (conversations, instructions, ShareGPT, preferences): brought into the form that
// jobs train on, with the checks that make sense for any of them.
import { writeNewFiles } from '../../lib/new-files.ts';
import { type Loss, readSample, ShapeError } from '../convert/read.ts';
import type { Json, Sample, Shape } from '../convert/shapes.ts';
import { type Target, WRITE_DEFAULTS, writeSample } from '../convert/write.ts';
import { problem, type TableRow } from '../read-table/table.ts';
import type { SamplesForm } from './choose-form.ts';
import type { Input } from './input.ts';
import { type Mapping, MappingError, partOf } from './mapping.ts';
import { outputNames, quoted } from './names.ts';
import { eachRow, sampled } from './read-pairs.ts';
import { rejectedFile } from './rejected.ts';
import { type Output, PrepareError, type Report } from './report.ts';
import { selectRows } from './select-rows.ts';
import type { Session } from './session.ts';

type Item = {
  readonly text: string;
  readonly file: string;
  readonly line: number;
  readonly index: number;
  readonly empty: boolean;
};

const FEW = 100;
const PREFERENCES: readonly Shape[] = ['preference', 'chosen-rejected', 'sharegpt-preference'];

export async function prepareSamples(
  form: SamplesForm,
  input: Input,
  session: Session,
): Promise<Report> {
  const { say, print, confirm } = session.ui;
  const { options } = session;
  const target: Target = PREFERENCES.includes(form.shape) ? 'preference' : 'chat';
  session.note('form', say('prepare.form', { form: form.shape, target }));
  const { items: all, read, losses, same } = await readItems(form, target, session);
  await session.settleProblems();
  selectRows(read, session);
  let items = all;
  if (options.sample !== null) {
    items = sampled(all, options.sample, options.seed);
    const params = { kept: items.length, all: all.length, seed: options.seed };
    session.note('sampled', say('prepare.sampled', params));
    session.necessary.push(say('prepare.sampled', params));
  }
  const count = items.length;
  session.note(
    'num_examples',
    say(count < FEW ? 'prepare.num_rows_few' : 'prepare.num_rows', { count }),
  );
  for (const [text, times] of losses)
    session.note('lost', say('prepare.lost', { text, count: times }));
  if (!same && session.necessary.length === 0)
    session.necessary.push(say('prepare.convert_form', { target }));
  const empty = items.filter((item) => item.empty);
  if (empty.length > 0) {
    const text = say('prepare.empty_answers', { rows: rowList(empty) });
    found(
      session,
      'empty_completion',
      text,
      empty,
      say('prepare.empty_answers.do', { count: empty.length }),
    );
    session.necessary.push(say('prepare.empty_answers.do', { count: empty.length }));
    items = items.filter((item) => !item.empty);
  }
  const again = repeated(items);
  const duplicates = { count: again.length, rows: rowList(again) };
  if (again.length > 0) session.line(say('prepare.duplicates', duplicates));

  let dropped = false;
  if (again.length === 0 && session.necessary.length === 0)
    print(`\n\n${say('prepare.nothing')}\n`);
  else {
    print(`\n\n${say('prepare.actions')}\n`);
    for (const what of session.necessary) print(`${say('prepare.necessary', { what })}\n`);
    if (again.length > 0) {
      const what = say('prepare.duplicates.do', duplicates);
      dropped = await confirm(say('prepare.recommended', { what }));
      const text = say('prepare.duplicates', duplicates);
      found(session, 'duplicated_rows', text, again, what, dropped);
      if (dropped) items = items.filter((item) => !again.includes(item));
    }
  }
  const spaced = await breakSpaces(items, session);
  items = spaced.items;
  if (items.length === 0) throw new PrepareError('no_rows', say('prepare.no_rows'));
  return write(items, form, input, session, {
    mustWrite: dropped || spaced.applied || session.necessary.length > 0,
    read: read.all,
    target,
  });
}

async function readItems(form: SamplesForm, target: Target, session: Session) {
  const items: Item[] = [];
  const losses = new Map<string, number>();
  const { system } = session.options;
  let same = true;
  const read = await eachRow(form.items, session, (row, values, index) => {
    const taken = sampleOf(form, row, values, session);
    if (taken === null) return;
    const written = writeSample(target, taken.sample, { ...WRITE_DEFAULTS, system });
    for (const loss of [...taken.lost, ...written.lost]) {
      const text = session.ui.say(loss.key, loss.params);
      losses.set(text, (losses.get(text) ?? 0) + 1);
    }
    if (written.row === null) return;
    const text = JSON.stringify(written.row);
    if (same && text !== JSON.stringify(row.values)) same = false;
    const empty = isEmpty(taken.sample);
    items.push({ text, file: row.file, line: row.line, index, empty });
  });
  return { items, read, losses, same };
}

function sampleOf(
  { shape, mapping }: SamplesForm,
  row: TableRow,
  values: Json,
  session: Session,
): { sample: Sample; lost: readonly Loss[] } | null {
  try {
    return mapping === null
      ? readSample(shape, values)
      : { sample: mapped(mapping, values), lost: [] };
  } catch (error) {
    const known = error instanceof ShapeError || error instanceof MappingError;
    if (!known) throw error;
    const path = error instanceof ShapeError ? error.path : String(error.cause);
    const reason =
      error instanceof ShapeError ? error.message : `expected text, got ${error.message}`;
    const raw = JSON.stringify(values).slice(0, 2000);
    session.problems.add(
      problem(row.file, row.line, 'data.other_form', { form: shape, reason }, { path, raw }),
    );
    return null;
  }
}

const mapped = ({ prompt, completion }: Mapping, values: Json): Sample => ({
  kind: 'chat',
  value: {
    messages: [
      { role: 'user', content: prompt === null ? '' : partOf(prompt, values) },
      { role: 'assistant', content: partOf(completion, values) },
    ],
  },
});

/** An answer without a word and without a call of a tool. */
function isEmpty(sample: Sample): boolean {
  if (sample.kind !== 'chat') return false;
  const answers = sample.value.messages.filter(({ role }) => role === 'assistant');
  return (
    answers.length > 0 &&
    answers.every(
      ({ content, tool_calls: calls, function_call: call }) =>
        typeof content === 'string' &&
        content.trim() === '' &&
        calls === undefined &&
        call === undefined,
    )
  );
}

/** Asked where the file was pasted from a web page; the spaces between its tokens are gone already. */
async function breakSpaces(items: readonly Item[], session: Session) {
  const { say, confirm } = session.ui;
  const marked = items.filter(({ text }) => text.includes(NBSP));
  const pasted = session.problems.repaired.some(({ key }) => key === 'data.nbsp');
  if (!pasted || marked.length === 0) return { items: [...items], applied: false };
  const count = marked.reduce((sum, { text }) => sum + text.split(NBSP).length - 1, 0);
  const what = say('prepare.nbsp.do', { count });
  const applied = await confirm(say('prepare.recommended', { what }));
  const text = say('prepare.nbsp', { count, rows: rowList(marked) });
  found(session, 'no_break_spaces', text, marked, what, applied);
  if (!applied) return { items: [...items], applied };
  return {
    items: items.map((item) => ({ ...item, text: item.text.replaceAll(NBSP, ' ') })),
    applied,
  };
}
const NBSP = '\u00a0';

function repeated(items: readonly Item[]): Item[] {
  const seen = new Set<string>();
  return items.filter(({ text }) => {
    const again = seen.has(text);
    seen.add(text);
    return again;
  });
}

function rowList(items: readonly Item[]): string {
  const numbers = items.slice(0, 100).map(({ index }) => index);
  return `[${numbers.join(', ')}${items.length > 100 ? `, … +${items.length - 100}` : ''}]`;
}

function found(
  session: Session,
  code: string,
  message: string,
  items: readonly Item[],
  fix: string,
  applied = true,
): void {
  if (applied && code === 'empty_completion') session.line(message);
  const rows = items.map(({ file, line }) => ({ file, line }));
  session.find({ code, level: 'warning', message, count: items.length, rows, fix, applied });
}

async function write(
  items: readonly Item[],
  { mapping }: SamplesForm,
  input: Input,
  session: Session,
  { mustWrite, read, target }: { mustWrite: boolean; read: number; target: Target },
): Promise<Report> {
  const { options, ui } = session;
  const { say, print } = ui;
  let outputs: Output[] = [];
  let rejected: string | null = null;
  let path: string | null = mustWrite ? null : input.name;
  if (mustWrite && (await ui.confirm(`\n\n${say('prepare.proceed')}`))) {
    const name = options.output ?? input.name;
    path = outputNames(name, [''])[0]!;
    const chunks = items.map(({ text }) => `${text}\n`);
    const aside = rejectedFile(session, name);
    rejected = aside[0]?.path ?? null;
    await writeNewFiles([{ path, chunks }, ...aside], options.signal);
    outputs = [{ path, rows: items.length }];
    print(`\n${say('prepare.wrote', { path })}\n${say('prepare.look')}\n`);
    for (const file of aside) print(`${say('prepare.wrote_aside', { path: file.path })}\n`);
  } else if (mustWrite) print(`${say('prepare.aborted')}\n`);
  const command = path === null ? null : `tunery jobs create -m MODEL -t ${quoted(path)} --follow`;
  if (path !== null && command !== null) {
    print(`\n${say(mustWrite ? 'prepare.use' : 'prepare.usable')}\n> ${command}\n\n`);
    print(`${say('prepare.check_next', { command: `tunery data check ${quoted(path)}` })}\n`);
  }
  return {
    inputs: input.parts.map(({ file, format, encoding }) => ({
      file,
      format,
      encoding: encoding?.label ?? null,
    })),
    form: target,
    task: null,
    mapping,
    rows: { read, written: outputs[0]?.rows ?? 0, changed: 0 },
    findings: session.findings,
    outputs,
    rejected,
    separator: null,
    stop: null,
    command,
  };
}
