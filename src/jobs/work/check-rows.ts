// What `tunery data check` finds in the files of a job, as remarks of that job. Remarks never fail it:
// whatever a job refuses was refused when the rows were made.
import { type Checked, type CheckedFile, checkData } from '../../data/check/check-data.ts';
import { type Counter, modelCounter } from '../../data/check/counter.ts';
import type { Finding } from '../../data/check/findings.ts';
import type { Voice } from '../../data/render.ts';
import { say } from '../../messages/say.ts';
import type { TrainRequest, WorkerMessage } from '../protocol.ts';
import { generalWords, unsafeText } from './check-parts.ts';

/** The search for near-duplicates and the classifier take a millisecond a row: above this, a job does
 *  without them. */
const FULLY_CHECKED_ROWS = 20_000;
/** Rows that the classifier looks at, spread over each file: two seconds. */
const SCREENED_ROWS = 2000;

export async function* remarksOn(
  { trainingFile, validationFile, options }: TrainRequest,
  rows: number,
  voice: Voice,
  contextLength: number,
): AsyncGenerator<WorkerMessage> {
  const full = rows <= FULLY_CHECKED_ROWS;
  // The job's own moderation has judged every row, where it is on.
  const screen = full && options.moderation === 'off' ? SCREENED_ROWS : 0;
  let checked: Checked;
  try {
    checked = await checkData(
      { path: trainingFile, valid: validationFile, near: full, screen },
      { counter: countedAlready(voice, contextLength), unsafe: unsafeText, general: generalWords },
    );
  } catch (error) {
    // The rows are made and sound: a fault in what is only advice must not cost the job.
    const reason = error instanceof Error ? error.message : String(error);
    return yield note('warn', `The checks of the rows ended early: ${reason}`);
  }
  if (!full)
    yield note(
      'info',
      `With ${rows} rows (more than ${FULLY_CHECKED_ROWS}) the job does not search for near-duplicates ` +
        'and unsafe text; `tunery data check` does.',
    );
  yield* remarks('training', checked.train);
  if (checked.valid !== null) yield* remarks('validation', checked.valid);
}

/** Making the rows has counted their tokens and told of those that are cut or teach nothing. */
function countedAlready(voice: Voice, contextLength: number): Counter {
  const counter = modelCounter(voice, "the base model's tokenizer", contextLength);
  return { ...counter, row: () => ({ tokens: 1, targets: 1, assistant: 1 }) };
}

const MOST_WARNINGS = 10;
const MOST_LINES = 10;
const MOST_CHARACTERS = 600;

function* remarks(
  which: 'training' | 'validation',
  { findings, faults }: CheckedFile,
): Generator<WorkerMessage> {
  const file = which === 'training' ? 'train' : 'valid';
  const found = [...faults.list(say, file), ...findings.list(say, file)];
  const warnings = found.filter(({ severity }) => severity !== 'info');
  for (const finding of warnings.slice(0, MOST_WARNINGS))
    yield note('warn', say('event.remark', { which, remark: described(finding) }));
  const others = [
    ...warnings.slice(MOST_WARNINGS),
    ...found.filter(({ severity }) => severity === 'info'),
  ];
  if (others.length > 0)
    yield note('info', say('event.remarks', { which, codes: others.map(named).join(', ') }));
}

function described({ code, message, advice, lines, rows }: Finding): string {
  const finding = { remark: message, advice, code };
  if (rows === 0) return cut(say('part.finding', finding));
  if (rows === 1) return cut(say('part.finding_line', { ...finding, lines: lines[0] ?? 0 }));
  const listed = lines.slice(0, MOST_LINES).join(', ');
  const count = rows - MOST_LINES;
  if (count <= 0) return cut(say('part.finding_lines', { ...finding, lines: listed }));
  return cut(say('part.finding_more', { ...finding, lines: listed, count }));
}

const named = ({ code, rows }: Finding) => (rows === 0 ? code : `${code} (${rows} rows)`);

const cut = (text: string) =>
  text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS - 1)}…`;

const note = (level: 'info' | 'warn', message: string): WorkerMessage => ({
  type: 'note',
  level,
  message,
});
