// Applies fixes: reads the file once more and writes a new one beside it. The original stays.

import { unmojibake } from '../analyse/patterns.ts';
import { readSample, ShapeError } from '../convert/read.ts';
import { shapeOf } from '../convert/shapes.ts';
import { WRITE_DEFAULTS, writeSample } from '../convert/write.ts';
import { openSource, type SourceOptions } from '../source/rows.ts';
import { mapTexts } from '../source/texts.ts';
import { type Written, writeRowsTo, writeTextTo } from '../source/write-rows.ts';
import { Redactor } from '../transform/redact.ts';
import type { CheckedFile } from './check-data.ts';
import { CODES, type Code } from './codes.ts';
import type { Detail } from './findings.ts';
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

const DROPS: readonly Code[] = [
  'nothing_to_learn',
  'duplicate_exact',
  'duplicate_near',
  'leakage',
  'leakage_near',
  'conflicting_answers',
  'blank_answer',
  'echo',
  'loop',
  'refusal',
  'preference_identical',
  'identity_shift',
  'obedience_prompt',
  'harmful_demonstration',
];

/** What `--fix` may do to this file: by itself, and after asking. */
export function fixesFor({ findings, faults }: CheckedFile): {
  readonly auto: readonly FixCode[];
  readonly ask: readonly FixCode[];
} {
  const codes = findings.codes();
  const by = (fix: 'auto' | 'ask') => codes.filter((code) => CODES[code].fix === fix);
  return {
    auto: by('auto'),
    ask: [...by('ask'), ...(faults.errorRows > 0 ? [DROP_FAULTY as FixCode] : [])],
  };
}

export async function applyFixes(
  checked: CheckedFile,
  codes: readonly FixCode[],
  output: string,
  options: SourceOptions,
): Promise<FixResult> {
  const wanted = new Set(codes);
  const drops = new Set<number>();
  for (const code of DROPS)
    if (wanted.has(code)) for (const line of checked.findings.lines(code)) drops.add(line);
  const redactor = codes.some((code) => code.startsWith('pii_')) ? redactorFor(codes) : null;
  const edit = editFor(checked, wanted, redactor);
  const source = await openSource(checked.path, options);
  let dropped = 0;
  let changed = 0;
  try {
    const written = await writeRowsTo(output, async (writer) => {
      for await (const item of source.items(options.signal)) {
        if (item.kind === 'problem') {
          const mended = item.key === 'data.no_break_space' ? await source.raw(item.line) : null;
          if (mended !== null) {
            changed += 1;
            await writer.line(mended.replaceAll('\u00a0', ' '));
          } else if (item.line > 0 && item.level === 'error') {
            if (wanted.has(DROP_FAULTY)) dropped += 1;
            else await keep(writer.line, await source.raw(item.line));
          }
          continue;
        }
        const faulty = wanted.has(DROP_FAULTY) && isFaulty(item.value);
        if (drops.has(item.line) || faulty) {
          dropped += 1;
          continue;
        }
        const value = edit(item.value, item.line);
        if (value === item.value) await writer.line(item.text);
        else {
          const text = JSON.stringify(value);
          if (text !== JSON.stringify(item.value)) changed += 1;
          await writer.line(text);
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

/** A line that cannot be read stays as it is: nothing is dropped that nobody agreed to. */
async function keep(line: (text: string) => Promise<void>, raw: string | null): Promise<void> {
  if (raw !== null) await line(raw);
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

const redactorFor = (codes: readonly FixCode[]) =>
  new Redactor(codes.flatMap((code) => (code in KINDS ? [KINDS[code as keyof typeof KINDS]] : [])));

function editFor(
  { findings, whole }: CheckedFile,
  wanted: ReadonlySet<FixCode>,
  redactor: Redactor | null,
): (value: unknown, line: number) => unknown {
  const texts: ((text: string) => string)[] = [];
  if (wanted.has('mojibake')) texts.push((text) => unmojibake(text) ?? text);
  if (wanted.has('control_characters')) texts.push((text) => text.replaceAll(CONTROL, ''));
  if (wanted.has('lone_surrogate')) texts.push((text) => text.toWellFormed());
  if (wanted.has('html_entities')) texts.push(unescapeEntities);
  if (wanted.has('no_break_space_inside')) texts.push((text) => text.replaceAll('\u00a0', ' '));
  if (redactor !== null) texts.push((text) => redactor.redact(text));
  const labels = wanted.has('label_typo') ? meanings(findings.details('label_typo')) : null;
  const mistyped = new Set(labels === null ? [] : findings.lines('label_typo'));
  const prefix = wanted.has('prompt_prefix') ? whole.prompts.common_prefix : '';
  const separator = wanted.has('prompt_ending') ? whole.prompts.free_separator : '';
  const convert = wanted.has('foreign_format');
  return (value, line) => {
    let out = value;
    for (const change of texts) out = mapTexts(out, change);
    if (labels !== null && mistyped.has(line))
      out = mapTexts(out, (text) => {
        const meant = labels.get(text.trim());
        return meant === undefined ? text : text.replace(text.trim(), meant);
      });
    if (prefix !== '')
      out = mapTexts(out, (text) => (text.startsWith(prefix) ? text.slice(prefix.length) : text));
    if (separator !== '')
      out = withPrompt(out, (prompt) => (prompt.endsWith(separator) ? prompt : prompt + separator));
    if (wanted.has('completion_start')) out = withCompletion(out);
    const shape = convert ? shapeOf(out) : null;
    if (shape === null) return out;
    const { sample } = readSample(shape, out);
    const target =
      sample.kind === 'preference'
        ? 'preference'
        : sample.kind === 'completion' || sample.kind === 'text'
          ? 'completion'
          : 'chat';
    return writeSample(target, sample, WRITE_DEFAULTS).row ?? out;
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]/g;

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&nbsp;': ' ',
  '&#39;': "'",
  '&#x27;': "'",
};
const unescapeEntities = (text: string) =>
  text.replaceAll(/&(?:amp|lt|gt|quot|nbsp|#39|#x27);/g, (entity) => ENTITIES[entity] ?? entity);

/** Misspelt label → what was meant. */
const meanings = (details: readonly Detail[]) =>
  new Map(details.map(({ label, meant }) => [String(label).trim(), String(meant).trim()]));

type Pair = { readonly prompt: string; readonly completion: string };
const isPair = (value: unknown): value is Pair =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Pair).prompt === 'string' &&
  typeof (value as Pair).completion === 'string';

const withPrompt = (value: unknown, change: (prompt: string) => string) =>
  isPair(value) ? { ...value, prompt: change(value.prompt) } : value;

const withCompletion = (value: unknown) =>
  isPair(value) && !value.completion.startsWith(' ')
    ? { ...value, completion: ` ${value.completion.trimStart()}` }
    : value;
