// Applies fixes: reads the file once more and writes a new one beside it. The original stays.

import { readSample, ShapeError } from '../convert/read.ts';
import { shapeOf } from '../convert/shapes.ts';
import { plainSpaces } from '../read-table/json.ts';
import { openSource, type Source, type SourceOptions } from '../source/rows.ts';
import { type Written, writeRowsTo, writeTextTo } from '../source/write-rows.ts';
import { highestMarks, Redactor } from '../transform/redact.ts';
import type { CheckedFile } from './check-data.ts';
import { CODES, type Code } from './codes.ts';
import { editFor } from './edits.ts';
import { formatFaults } from './row-checks.ts';

/** Besides the codes of findings: rows with format errors are left out. */
export const DROP_FAULTY = 'drop_faulty';
export type FixCode = Code | typeof DROP_FAULTY;

export type FixResult = Written & {
  readonly dropped: number;
  readonly changed: number;
  readonly applied: readonly FixCode[];
  /** Where the values that were redacted are kept. */
  readonly redaction_map: string | null;
};

/** Fixed by leaving the rows out. */
const DROPS: readonly Code[] = [
  'bad_row',
  'not_printable',
  'truncated_rows',
  'nothing_to_learn',
  'duplicate_exact',
  'duplicate_near',
  'leakage',
  'leakage_near',
  'conflicting_answers',
  'blank_answer',
  'blank_prompt',
  'short_answer',
  'null_answer',
  'url_only',
  'unfinished_answer',
  'echo',
  'swapped_sides',
  'loop',
  'refusal',
  'encoded_blob',
  'replacement_character',
  'assistant_first',
  'no_user',
  'call_unanswered',
  'tool_undeclared',
  'tool_without_call',
  'arguments_not_json',
  'preference_identical',
  'identity_shift',
  'obedience_prompt',
  'harmful_demonstration',
  'label_odd',
  'label_rare',
  'language_switch',
];

/** Rows that only may be wrong: to leave them out unseen, as `-q` would, could cost a whole sound set. */
export const DOUBTFUL: ReadonlySet<FixCode> = new Set<FixCode>([
  'short_answer',
  'unfinished_answer',
  'swapped_sides',
  'assistant_first',
  'language_switch',
]);

/** What `--fix` may do to this file: by itself, and after asking. `filled`: the texts for placeholders are
 *  given. */
export function fixesFor(
  { findings, faults }: CheckedFile,
  filled: boolean,
): {
  readonly auto: readonly FixCode[];
  readonly ask: readonly FixCode[];
} {
  const codes = findings.codes();
  const by = (fix: 'auto' | 'ask') =>
    codes.filter((code) => code !== 'placeholder' && CODES[code].fix === fix);
  const fill: FixCode[] = filled && codes.includes('placeholder') ? ['placeholder'] : [];
  return {
    auto: [...by('auto'), ...fill],
    ask: [...by('ask'), ...(faults.errorRows > 0 ? [DROP_FAULTY as FixCode] : [])],
  };
}

export async function applyFixes(
  checked: CheckedFile,
  codes: readonly FixCode[],
  output: string,
  fill: Readonly<Record<string, string>>,
  options: SourceOptions,
): Promise<FixResult> {
  const wanted = new Set(codes);
  const drops = new Set<number>();
  for (const code of DROPS)
    if (wanted.has(code)) for (const line of checked.findings.lines(code)) drops.add(line);
  const source = await openSource(checked.path, options);
  let dropped = 0;
  let changed = 0;
  try {
    const redactor = await redactorFor(codes, source);
    const edit = editFor(checked, wanted, redactor, fill);
    const written = await writeRowsTo(output, async (writer) => {
      const put = async (value: unknown, line: number, text: string | null) => {
        const made =
          drops.has(line) || (wanted.has(DROP_FAULTY) && isFaulty(value))
            ? null
            : edit(value, line);
        if (made === null) dropped += 1;
        else if (made === value && text !== null) await writer.line(text);
        else {
          const json = JSON.stringify(made);
          if (text === null || json !== JSON.stringify(value)) changed += 1;
          await writer.line(json);
        }
      };
      for await (const item of source.items(options.signal)) {
        if (item.kind === 'row') await put(item.value, item.line, item.text);
        else if (item.level === 'error' && item.line > 0 && !item.repaired) {
          const raw = await source.raw(item.line);
          const mended = raw === null ? null : repair(item.key, raw);
          if (mended !== null) await put(mended, item.line, null);
          else if (raw !== null && !wanted.has(DROP_FAULTY)) await writer.line(raw);
          // Bytes that are no text cannot be written as a line.
          else dropped += 1;
        }
      }
    });
    let mapPath: string | null = null;
    if (redactor !== null) {
      mapPath = `${output}.redaction.json`;
      await writeTextTo(mapPath, `${JSON.stringify(redactor.map, null, 2)}\n`);
    }
    return { ...written, dropped, changed, applied: [...wanted], redaction_map: mapPath };
  } finally {
    await source.close();
  }
}

/** The row of a line that a replacement turns into JSON; null for other faults. */
function repair(key: string, raw: string): unknown {
  // Those inside of texts are a finding of their own, which is asked for.
  if (key === 'data.no_break_space') return JSON.parse(plainSpaces(raw).plain);
  if (key === 'data.bom_inside') return JSON.parse(raw.replaceAll('\ufeff', ''));
  return null;
}

function isFaulty(value: unknown): boolean {
  const shape = shapeOf(value);
  if (shape === null || !formatFaults(shape, value).next().done) return true;
  try {
    readSample(shape, value);
    return false;
  } catch (error) {
    if (error instanceof ShapeError) return true;
    throw error;
  }
}

const KINDS = {
  pii_email: 'email',
  pii_phone: 'phone',
  pii_id_card: 'id_card',
  pii_bank_card: 'bank_card',
  pii_secret: 'secret',
} as const;

/** Null where nothing is redacted. Marks that stand in the file already are not given out again. */
async function redactorFor(codes: readonly FixCode[], source: Source): Promise<Redactor | null> {
  const kinds = codes.flatMap((code) => (code in KINDS ? [KINDS[code as keyof typeof KINDS]] : []));
  if (kinds.length === 0) return null;
  const used = highestMarks();
  for await (const item of source.items()) if (item.kind === 'row') used.look(item.text);
  return new Redactor(kinds, used.marks);
}
