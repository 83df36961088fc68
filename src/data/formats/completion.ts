// The completion format of a training line: {prompt, completion}, both text, no template around them.
import { type Finding, finding } from '../problems.ts';
import { nameOf } from './chat.ts';

export type CompletionExample = { readonly prompt: string; readonly completion: string };

const KEYS = ['prompt', 'completion'];

export function* completionFindings(
  example: Readonly<Record<string, unknown>>,
): Generator<Finding> {
  for (const key of Object.keys(example))
    if (!KEYS.includes(key))
      yield finding(key, 'data.unknown_key', { key, allowed: KEYS.join(', ') });
  for (const key of KEYS) {
    const value = example[key];
    if (typeof value !== 'string')
      yield finding(key, 'data.wrong_type', { expected: 'text', got: nameOf(value) });
    else if (value === '' && key === 'completion') yield finding(key, 'data.empty');
  }
}
