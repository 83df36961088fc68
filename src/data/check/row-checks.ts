// What one row shows by itself: format, texts, safety. Knows no other row.

import { conversationFaults } from '../analyse/conversation.ts';
import { pairPatterns } from '../analyse/pair-patterns.ts';
import { answerPatterns, isLoop, safetyPatterns } from '../analyse/patterns.ts';
import { findPii, type PiiKind } from '../analyse/pii.ts';
import { textPatterns } from '../analyse/text-patterns.ts';
import type { View } from '../analyse/view.ts';
import type { Sample, Shape } from '../convert/shapes.ts';
import { isObject } from '../formats/chat.ts';
import { isFormat, rowFindings } from '../formats/format.ts';
import type { Finding as Fault } from '../problems.ts';
import type { Findings } from './findings.ts';

/** What the API would refuse in a row of its own formats. */
export function* formatFaults(shape: Shape, value: unknown): Generator<Fault> {
  if (isFormat(shape) && isObject(value)) yield* rowFindings(value);
}

export function checkRow(sample: Sample, view: View, line: number, found: Findings): void {
  const { system, prompt, answers, texts, given } = view;
  if (sample.kind === 'chat') {
    for (const code of conversationFaults(sample.value)) found.hit(code, line);
  } else if (sample.kind === 'preference') {
    if (JSON.stringify(sample.preferred) === JSON.stringify(sample.rejected))
      found.hit('preference_identical', line);
  }
  for (const code of safetyPatterns(system, prompt, answers)) found.hit(code, line);
  for (const item of answers) {
    for (const code of answerPatterns(item)) found.hit(code, line);
    if (isLoop(item)) found.hit('loop', line);
  }
  checkAnswer(sample, view, line, found);
  checkTexts(texts, line, found, given);
}

/** `given`: texts for programs, which may be written as they like. */
export function checkTexts(
  texts: readonly string[],
  line: number,
  found: Findings,
  given: readonly string[] = [],
): void {
  for (const text of texts) for (const code of textPatterns(text)) found.hit(code, line);
  for (const [i, text] of [...texts, ...given].entries())
    for (const { kind, start } of findPii(text))
      found.hit(PII_CODES[kind], line, { line, text: i + 1, column: start + 1 });
}

const PII_CODES = {
  email: 'pii_email',
  phone: 'pii_phone',
  id_card: 'pii_id_card',
  bank_card: 'pii_bank_card',
  secret: 'pii_secret',
} as const satisfies Record<PiiKind, string>;

function checkAnswer(sample: Sample, { asked, answer }: View, line: number, found: Findings): void {
  const own = sample.kind === 'text' ? null : asked;
  for (const code of pairPatterns(own, answer, sample.kind === 'completion')) found.hit(code, line);
  if (answer.trim() !== '') return;
  const calls =
    sample.kind === 'chat' &&
    sample.value.messages.some((m) => m['tool_calls'] ?? m['function_call']);
  if (answer !== '' || (!calls && sample.kind !== 'chat' && sample.kind !== 'completion'))
    found.hit('blank_answer', line);
}
