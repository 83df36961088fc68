// What each fix does to a row. A fix touches only the rows that its finding names.
import { unmojibake } from '../analyse/mojibake.ts';
import { withoutPrompt, withoutTurns } from '../analyse/pair-patterns.ts';
import { withoutBoilerplate } from '../analyse/patterns.ts';
import {
  asLatin,
  withoutControl,
  withoutEntities,
  withoutEscapes,
  withoutMarkup,
  withoutSpecial,
} from '../analyse/text-patterns.ts';
import { fillPlaceholders } from '../convert/fill.ts';
import { readSample } from '../convert/read.ts';
import { type Shape, shapeOf } from '../convert/shapes.ts';
import { TARGETS, type Target, WRITE_DEFAULTS, writeSample } from '../convert/write.ts';
import { mapTexts } from '../source/texts.ts';
import { viewOfRow } from '../transform/expression.ts';
import type { Redactor } from '../transform/redact.ts';
import type { CheckedFile } from './check-data.ts';
import type { Code } from './codes.ts';
import type { Detail } from './findings.ts';
import type { FixCode } from './fix.ts';
import { TURN_EDITS, withTurns } from './turn-edits.ts';

/** Null: the row has no place in the new file. */
export type Edit = (value: unknown, line: number) => unknown;

const TEXTS: Readonly<Partial<Record<Code, (text: string) => string>>> = {
  mojibake: (text) => unmojibake(text) ?? text,
  control_characters: withoutControl,
  lone_surrogate: (text) => text.toWellFormed(),
  special_tokens: withoutSpecial,
  html_entities: withoutEntities,
  html_markup: withoutMarkup,
  double_escaped: withoutEscapes,
  mixed_scripts: (text) => asLatin(text),
  no_break_space_inside: (text) => text.replaceAll('\u00a0', ' '),
  boilerplate: withoutBoilerplate,
};

export function editFor(
  { findings, whole, shape: first }: CheckedFile,
  wanted: ReadonlySet<FixCode>,
  redactor: Redactor | null,
  fill: Readonly<Record<string, string>>,
): Edit {
  const steps: Edit[] = [];
  /** On the rows that the finding names. */
  const on = (code: Code, step: (value: unknown) => unknown) => {
    if (!wanted.has(code)) return;
    const lines = new Set(findings.lines(code));
    steps.push((value, line) => (lines.has(line) ? step(value) : value));
  };
  const always = (code: Code, step: (value: unknown) => unknown) => {
    if (wanted.has(code)) steps.push(step);
  };
  if (first !== null)
    on('other_form', (value) => (wanted.has('foreign_format') ? value : inForm(value, first)));
  for (const [code, change] of Object.entries(TEXTS))
    on(code as Code, (value) => mapTexts(value, change));
  on('placeholder', (value) => mapTexts(value, (text) => fillPlaceholders(text, fill)));
  on('edge_spaces', trimmed);
  on('prompt_in_answer', withoutCopy);
  on('role_markers', (value) => {
    const answer = viewOfRow(value)?.answer ?? '';
    return mapTexts(value, (text) => (text === answer ? withoutTurns(text) : text));
  });
  if (redactor !== null) steps.push((value) => mapTexts(value, (text) => redactor.redact(text)));
  const labels = meanings(findings.details('label_typo'));
  on('label_typo', (value) => mapTexts(value, (text) => corrected(text, labels)));
  const prefix = whole.prompts.common_prefix;
  always('prompt_prefix', (value) =>
    mapTexts(value, (text) => (text.startsWith(prefix) ? text.slice(prefix.length) : text)),
  );
  const separator = whole.prompts.free_separator;
  always('prompt_ending', (value) =>
    isPair(value) && !value.prompt.endsWith(separator)
      ? { ...value, prompt: value.prompt + separator }
      : value,
  );
  const missing = (code: 'separator_missing' | 'stop_missing', key: 'prompt' | 'completion') => {
    const ending = whole.endings[key];
    if (ending !== null)
      on(code, (value) => (isPair(value) ? { ...value, [key]: value[key] + ending } : value));
  };
  missing('separator_missing', 'prompt');
  missing('stop_missing', 'completion');
  on('completion_start', (value) =>
    isPair(value) ? { ...value, completion: ` ${value.completion.trimStart()}` } : value,
  );
  always('foreign_format', uploadable);
  for (const [code, change] of Object.entries(TURN_EDITS))
    on(code as Code, (value) => withTurns(value, change));
  return (value, line) => {
    let out = value;
    for (const step of steps) {
      out = step(out, line);
      if (out === null) return null;
    }
    return out;
  };
}

/** Null where that form has no place for the row. */
function inForm(value: unknown, form: Shape): unknown {
  const shape = shapeOf(value);
  if (shape === null || !(TARGETS as readonly string[]).includes(form)) return null;
  return writeSample(form as Target, readSample(shape, value).sample, WRITE_DEFAULTS).row;
}

function uploadable(value: unknown): unknown {
  const shape = shapeOf(value);
  if (shape === null) return value;
  const { sample } = readSample(shape, value);
  const kind =
    sample.kind === 'text' ? 'completion' : sample.kind === 'class' ? 'chat' : sample.kind;
  const { row } = writeSample(kind, sample, WRITE_DEFAULTS);
  return row ?? (sample.kind === 'text' ? null : value);
}

/** White space at the edges of a completion is meant, except blanks at its end. */
const trimmed = (value: unknown) =>
  isPair(value)
    ? { ...value, completion: value.completion.replace(/[^\S\n]+$/, '') }
    : mapTexts(value, (text) => text.trim());

function withoutCopy(value: unknown): unknown {
  const asked = viewOfRow(value)?.asked ?? '';
  const copy = asked.trim();
  if (copy === '') return value;
  return mapTexts(value, (text) =>
    text !== asked && text.length > copy.length && text.includes(copy)
      ? withoutPrompt(copy, text)
      : text,
  );
}

/** Misspelt label → what was meant. */
const meanings = (details: readonly Detail[]) =>
  new Map(details.map(({ label, meant }) => [String(label), String(meant)]));

/** A completion's label stands behind a space. */
function corrected(text: string, labels: ReadonlyMap<string, string>): string {
  const space = labels.has(text) ? '' : ' ';
  const meant = labels.get(text) ?? (text.startsWith(' ') ? labels.get(text.slice(1)) : undefined);
  return meant === undefined ? text : space + meant;
}

type Pair = { readonly prompt: string; readonly completion: string };
const isPair = (value: unknown): value is Pair =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Pair).prompt === 'string' &&
  typeof (value as Pair).completion === 'string';
