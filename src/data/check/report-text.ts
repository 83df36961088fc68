// The report for a terminal: what the file holds, what training will take, then the findings.
import type { Say } from '../../messages/say.ts';
import type { Distribution } from '../analyse/numbers.ts';
import { percent } from './file-checks.ts';
import type { Finding } from './findings.ts';
import type { FileSection, Report } from './report.ts';

export function* reportText(report: Report, speak: Say): Generator<string> {
  yield* fileText(report.train, report, speak);
  if (report.valid !== null) {
    yield '';
    yield* fileText(report.valid, report, speak);
  }
  yield '';
  yield* trainingText(report, speak);
  yield '';
  const { findings } = report;
  if (findings.length === 0) yield speak('report.no_findings');
  for (const finding of findings) yield* findingText(finding, speak, 12);
  yield '';
  yield speak('report.sum', { errors: report.errors, warnings: report.warnings });
}

function* fileText(file: FileSection, { tokenizer, context_length: context }: Report, speak: Say) {
  const { rows, sound_rows: sound, shape, format, bytes } = file;
  yield speak('report.file', { path: file.path, rows, sound, shape: shape ?? '?', format, bytes });
  yield speak('report.tokenizer', { tokenizer, context });
  const line = (name: string, spread: Distribution | null) =>
    spread === null ? [] : [`  ${name}: ${spreadText(spread)}`];
  yield* line(speak('report.messages'), file.messages_per_row);
  yield* line(speak('report.tokens'), file.tokens_per_row);
  yield* line(speak('report.assistant_tokens'), file.assistant_tokens_per_row);
  if (file.format_counters !== null) {
    yield `  ${speak('report.missing_system', { rows: file.missing_system_message })}`;
    yield `  ${speak('report.missing_user', { rows: file.missing_user_message })}`;
  }
  yield `  ${speak('report.over', { rows: file.over_context.rows, context })}`;
  for (const { line: at, tokens, over } of file.over_context.listed.slice(0, 10))
    yield `    ${speak('report.over_row', { line: at, tokens, over })}`;
  const counters = Object.entries(file.format_counters ?? {}).filter(([, { count }]) => count > 0);
  for (const [name, { count, lines }] of counters)
    yield `  ${name}: ${count} (${speak('report.lines', { lines: lines.slice(0, 10).join(', ') })})`;
  const spoken = Object.entries(file.languages).slice(0, 5);
  if (rows > 0)
    yield `  ${speak('report.languages', {
      languages: spoken.map(([name, n]) => `${name} ${percent(n / sound)} %`).join(', '),
    })}`;
  for (const { label, rows: n, share, grade, tokens } of (file.labels ?? []).slice(0, 20))
    yield `  ${speak('report.label', { label, rows: n, percent: percent(share), grade: speak(`report.grade.${gradeKey(grade)}`), tokens: tokens ?? '?' })}`;
  const more = (file.labels?.length ?? 0) - 20;
  if (more > 0) yield `  ${speak('report.more', { more })}`;
}

export const gradeKey = (grade: string) =>
  grade.replace(' ', '_') as 'too_few' | 'decent' | 'good' | 'great';

/** Every percentile under its own name. */
export const spreadText = ({ min, max, mean, median, p5, p10, p90, p95 }: Distribution) =>
  `min ${min}, max ${max}, mean ${short(mean)}, median ${short(median)}, p5 ${short(p5)}, ` +
  `p10 ${short(p10)}, p90 ${short(p90)}, p95 ${short(p95)}`;

const short = (value: number) => String(Number(value.toFixed(1)));

export function* trainingText({ training, machine, prices }: Report, speak: Say) {
  const { n_epochs: epochs, batch_size: batch, learning_rate: rate } = training;
  yield speak('report.trained', {
    tokens: training.tokens_per_epoch,
    epochs: epochs.value ?? '?',
    trained: training.trained_tokens,
  });
  yield `  n_epochs ${epochs.value}: ${epochs.rule}`;
  yield `  batch_size ${batch.value}: ${batch.rule}`;
  yield `  learning_rate ${rate.value ?? '?'}: ${rate.rule}`;
  yield `  ${
    machine === null
      ? speak('report.machine_unknown')
      : speak('report.machine', {
          minutes: (machine.seconds / 60).toFixed(1),
          memory: (machine.memory_bytes / 1e9).toFixed(1),
        })
  }`;
  const list = prices.map(
    ({ model, price, currency }) => `${model} ${price.toFixed(2)} ${currency}`,
  );
  if (list.length > 0) yield `  ${speak('report.prices', { prices: list.join(', ') })}`;
}

export function* findingText(finding: Finding, speak: Say, listed: number): Generator<string> {
  const { severity, code, message, advice, lines, rows, file, fix, details } = finding;
  const where = file === 'valid' ? `${speak('report.valid')} ` : '';
  yield `${speak(`report.severity.${severity}`)} [${code}] ${where}${message}`;
  const places = details.filter(
    (detail) => typeof detail['line'] === 'number' && (detail['column'] ?? detail['file'] ?? null),
  );
  if (places.length > 0 && severity === 'error') {
    const shown = places.slice(0, listed).map(placeText);
    yield `    ${speak('report.places', { places: shown.join(', ') })}`;
  } else if (lines.some((line) => line > 0)) {
    const rest = rows > listed ? ' …' : '';
    yield `    ${speak('report.lines', { lines: lines.slice(0, listed).join(', ') + rest })}`;
  }
  const mended =
    fix === null ? '' : ` (${speak(fix === 'auto' ? 'report.fix_auto' : 'report.fix_ask')})`;
  yield `    ${advice}${mended}`;
}

/** `a.csv:7:12`, as far as they are known. */
const placeText = ({ file, line, column }: Finding['details'][number]) =>
  [file, line === 0 ? null : line, column].filter((part) => (part ?? null) !== null).join(':');
