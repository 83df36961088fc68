// The end of a run on pairs: split, write, and say what to type next.
import { type NewFile, writeNewFiles } from '../../lib/new-files.ts';
import { commonSuffix, shown } from './affix.ts';
import type { Input } from './input.ts';
import type { Mapping } from './mapping.ts';
import { outputNames, quoted } from './names.ts';
import { completions, type Pair, prompts, taskOf } from './pair.ts';
import { rejectedFile } from './rejected.ts';
import type { Output, Report } from './report.ts';
import type { Session } from './session.ts';
import { splitPairs } from './split.ts';
import { stopOf } from './suffix-checks.ts';

export type Ending = {
  readonly session: Session;
  readonly input: Input;
  readonly mapping: Mapping | null;
  readonly read: number;
  readonly changed: number;
  /** Otherwise the input can be trained on as it is. */
  readonly mustWrite: boolean;
};

export async function writePairs(pairs: readonly Pair[], ending: Ending): Promise<Report> {
  const { session, input, mustWrite, read, changed } = ending;
  const { say, print, confirm } = session.ui;
  const task = taskOf(pairs);
  const separator = commonSuffix(prompts(pairs));
  const stop = stopOf(pairs);
  const split = task === 'classification' && (await confirm(say('prepare.split')));
  let outputs: Output[] = [];
  let rejected: string | null = null;
  let command: string | null = null;
  let written = pairs.length;
  if (!mustWrite && !split) {
    command = `tunery api fine_tunes.create -t ${quoted(input.name)}`;
    print(`\n${say('prepare.usable')}\n> ${command}\n\n${reminder(separator, stop, session)}\n`);
    written = 0;
  } else if (await confirm(`\n\n${say('prepare.proceed')}`)) {
    ({ outputs, rejected } = await write(pairs, split, ending));
    const [first, second] = outputs;
    command = `tunery api fine_tunes.create -t ${quoted(first!.path)}${second === undefined ? '' : ` -v ${quoted(second.path)}`}${split ? classes(pairs) : ''}`;
    const wrote =
      second === undefined
        ? say('prepare.wrote', { path: first!.path })
        : say('prepare.wrote_two', { train: first!.path, valid: second.path });
    print(`\n${wrote}\n${say('prepare.look')}\n`);
    print(`${say('prepare.changed', { read, written: pairs.length, changed })}\n`);
    print(`\n${say('prepare.use')}\n> ${command}\n\n${reminder(separator, stop, session)}\n`);
  } else {
    print(`${say('prepare.aborted')}\n`);
    written = 0;
  }
  const target = outputs[0]?.path ?? (command === null ? null : input.name);
  if (target !== null) {
    const next = `tunery data check ${quoted(target)}`;
    print(`${say('prepare.check_next', { command: next })}\n`);
  }
  return {
    inputs: input.parts.map(({ file, format, encoding }) => ({
      file,
      format,
      encoding: encoding?.label ?? null,
    })),
    form: 'completion',
    task,
    mapping: ending.mapping,
    rows: { read, written, changed },
    findings: session.findings,
    outputs,
    rejected,
    separator: separator === '' ? null : separator,
    stop: stop === '' ? null : stop,
    command,
  };
}

async function write(pairs: readonly Pair[], split: boolean, ending: Ending) {
  const { session, input } = ending;
  const { options } = session;
  const names = outputNames(options.output ?? input.name, split ? ['_train', '_valid'] : ['']);
  const { train, valid } = split ? splitPairs(pairs, options.seed) : { train: pairs, valid: [] };
  const files = (split ? [train, valid] : [train]).map((rows, i) => ({
    path: names[i]!,
    rows: rows.length,
    chunks: lines(rows),
  }));
  const aside: NewFile[] = rejectedFile(session, options.output ?? input.name);
  await writeNewFiles([...files, ...aside], options.signal);
  for (const { path } of aside)
    session.ui.print(`\n${session.ui.say('prepare.wrote_aside', { path })}\n`);
  const outputs: Output[] = files.map(({ path, rows }) => ({ path, rows }));
  return { outputs, rejected: aside[0]?.path ?? null };
}

function* lines(pairs: readonly Pair[]): Generator<string> {
  for (const { prompt, completion } of pairs) yield `${JSON.stringify({ prompt, completion })}\n`;
}

/** The flags by which the legacy command turned on classification metrics. */
function classes(pairs: readonly Pair[]): string {
  const counts = new Map<string, number>();
  for (const text of completions(pairs)) counts.set(text, (counts.get(text) ?? 0) + 1);
  const flag = ' --compute_classification_metrics';
  if (counts.size !== 2) return `${flag} --classification_n_classes ${counts.size}`;
  const [[a, timesA], [b, timesB]] = [...counts] as [[string, number], [string, number]];
  return `${flag} --classification_positive_class ${quoted(timesB > timesA ? b : a)}`;
}

function reminder(separator: string, stop: string, { ui: { say } }: Session): string {
  const first = separator === '' ? '' : say('prepare.separator', { suffix: shown(separator) });
  const second = stop === '' ? '' : say('prepare.stop', { suffix: shown(stop) });
  return `${first}${second}`.trim();
}
