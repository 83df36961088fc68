// The forms in which training rows come, and how a row shows which one it is. What the rows say in any
// of them is a `Sample`; reading and writing each form is next door.
import { type ChatExample, isObject } from '../formats/chat.ts';
import { isPreference, type Pair } from '../formats/preference.ts';

export const SHAPES = [
  'chat',
  'completion',
  'preference',
  'chosen-rejected',
  'alpaca',
  'sharegpt',
  'sharegpt-preference',
  'parts',
  'turns',
  'consultation',
  'qa',
  'classification',
  'text',
] as const;
export type Shape = (typeof SHAPES)[number];

export type Json = Readonly<Record<string, unknown>>;

/** What a row teaches, whatever its form. */
export type Sample =
  | { readonly kind: 'chat'; readonly value: ChatExample }
  | { readonly kind: 'completion'; readonly prompt: string; readonly completion: string }
  | ({ readonly kind: 'preference' } & Pair)
  | { readonly kind: 'class'; readonly text: string; readonly label: string }
  | { readonly kind: 'text'; readonly text: string };

/** Null: no form that is known. The most telling keys are looked at first. */
export function shapeOf(row: unknown): Shape | null {
  if (Array.isArray(row)) return row.length > 0 && row.every(hasRole) ? 'turns' : null;
  if (!isObject(row)) return null;
  const has = (...keys: string[]) => keys.every((key) => key in row);
  if (isPreference(row)) return 'preference';
  if (has('conversations', 'chosen', 'rejected')) return 'sharegpt-preference';
  if (has('chosen', 'rejected')) return 'chosen-rejected';
  if (has('conversations') || has('conversation')) return 'sharegpt';
  if (has('messages')) return partsLike(row['messages']) ? 'parts' : 'chat';
  if (has('meta_instruction', 'chat')) return 'consultation';
  if (has('prompt') || has('completion')) return 'completion';
  if (has('instruction') && ('output' in row || 'response' in row)) return 'alpaca';
  if (questionKey(row) !== null && answerKey(row) !== null) return 'qa';
  if (textKey(row) !== null && labelKey(row) !== null) return 'classification';
  if (has('text') || has('content')) return 'text';
  return null;
}

const hasRole = (item: unknown) => isObject(item) && typeof item['role'] === 'string';

/** LLaMA-Factory's newer form: parts hold `value`, messages `loss_weight`. */
const partsLike = (messages: unknown) =>
  Array.isArray(messages) &&
  messages.some(
    (message) =>
      isObject(message) &&
      ('loss_weight' in message ||
        (Array.isArray(message['content']) &&
          message['content'].some(
            (part) => isObject(part) && 'value' in part && !('text' in part),
          ))),
  );

const first =
  (...keys: readonly string[]) =>
  (row: Json): string | null =>
    keys.find((key) => key in row) ?? null;

export const questionKey = first('question', 'questions', '问题');
export const answerKey = first('answer', 'answers', '答案', '回答');
export const textKey = first('text', 'sentence', 'content', '文本');
export const labelKey = first(
  'label',
  'category',
  'class',
  'intent',
  'sentiment',
  'classification',
  'Classification',
  '标签',
);
