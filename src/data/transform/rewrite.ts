// Steps that change rows.
import { CodedError } from '../../lib/coded-error.ts';
import { randomStream } from '../../lib/random.ts';
import { CommonEdges } from '../analyse/prompts.ts';
import type { ChatMessage } from '../formats/chat.ts';
import { isObject } from '../formats/chat.ts';
import { isPreference } from '../formats/preference.ts';
import { mapTexts } from '../source/texts.ts';
import { viewOfRow } from './expression.ts';
import type { Redactor } from './redact.ts';
import { collect, type RowSet, type Scratch } from './row-set.ts';
import type { Step } from './steps.ts';

type Of<Name extends Step['do']> = Extract<Step, { do: Name }>;
type Change = (value: unknown, row: number) => Promise<unknown> | unknown;

/** A new set with every row changed. */
export const rewritten = (
  set: RowSet,
  scratch: Scratch,
  name: string,
  change: Change,
): Promise<RowSet> =>
  collect(scratch, name, async (add) => {
    for (let row = 0; row < set.rows; row++)
      await add(JSON.stringify(await change(await set.value(row), row)), set.lines[row]!);
  });

export const redaction =
  (redactor: Redactor): Change =>
  (value) =>
    mapTexts(value, (text) => redactor.redact(text));

/** Prompts end with the separator, completions begin with one space and end with the stop sequence. */
export function separators({ separator, stop, old }: Of<'separator'>): Change {
  const without = (text: string, ends: readonly string[]) => {
    let out = text;
    for (const end of ends) if (end !== '' && out.endsWith(end)) out = out.slice(0, -end.length);
    return out;
  };
  return (value) => {
    if (
      !isObject(value) ||
      typeof value['prompt'] !== 'string' ||
      typeof value['completion'] !== 'string'
    )
      throw new CodedError(
        'invalid_value',
        'separators belong to prompt–completion rows; convert the file first.',
        {
          param: 'separator',
        },
      );
    const prompt = without(value['prompt'], [separator, ...old]);
    if (separator !== '' && prompt.includes(separator))
      throw new CodedError(
        'separator_inside',
        `A prompt holds ${JSON.stringify(separator)} inside: ${JSON.stringify(prompt.slice(0, 80))}. Choose another separator.`,
        { param: 'separator' },
      );
    const completion = without(value['completion'], [stop, ...old]);
    if (stop !== '' && completion.includes(stop))
      throw new CodedError(
        'stop_inside',
        `A completion holds the stop sequence ${JSON.stringify(stop)} inside. Choose another one.`,
        { param: 'stop' },
      );
    return {
      ...value,
      prompt: prompt + separator,
      completion: ` ${completion.trimStart()}${stop}`,
    };
  };
}

/** What all prompts begin with, or the prefix that is named. */
export async function prefixOf(set: RowSet, { prefix }: Of<'strip-prefix'>): Promise<string> {
  if (prefix !== undefined) return prefix;
  const edges = new CommonEdges();
  for (let row = 0; row < set.rows; row++) {
    const view = viewOfRow(await set.value(row));
    if (view !== null && view.prompt !== '') edges.add(view.prompt);
  }
  if (edges.prefix === '')
    throw new CodedError(
      'invalid_value',
      'the prompts begin with nothing in common; name what to strip.',
      {
        param: 'strip-prefix',
      },
    );
  return edges.prefix;
}

export const stripPrefix =
  (prefix: string): Change =>
  (value, row) => {
    if (!isObject(value)) return value;
    if (isPreference(value)) return { ...value, input: stripPrefix(prefix)(value['input'], row) };
    const cut = (text: unknown) =>
      typeof text === 'string' && text.startsWith(prefix) ? text.slice(prefix.length) : text;
    if ('prompt' in value) return { ...value, prompt: cut(value['prompt']) };
    if (!Array.isArray(value['messages'])) return value;
    const messages = value['messages'] as ChatMessage[];
    const first = messages.findIndex(({ role }) => role === 'user');
    return {
      ...value,
      messages: messages.map((m, i) => (i === first ? { ...m, content: cut(m.content) } : m)),
    };
  };

/** Puts other rows in front as examples. Their answers are not learned a second time. */
export function fewShot(set: RowSet, { shots }: Of<'few-shot'>, seed: number): Change {
  if (set.rows <= shots)
    throw new CodedError('invalid_value', `${shots} shots need more than ${shots} rows.`, {
      param: 'few-shot',
    });
  return async (value, row) => {
    const random = randomStream(seed, `few-shot/${row}`);
    const chosen = new Set<number>();
    while (chosen.size < shots) {
      const other = Math.floor(random() * set.rows);
      if (other !== row) chosen.add(other);
    }
    const examples = await Promise.all([...chosen].map((other) => set.value(other)));
    if (isObject(value) && typeof value['prompt'] === 'string') {
      const before = examples.map((item) =>
        isObject(item) ? `${String(item['prompt'])}${String(item['completion'])}\n\n` : '',
      );
      return { ...value, prompt: before.join('') + value['prompt'] };
    }
    if (!isObject(value) || !Array.isArray(value['messages']))
      throw new CodedError(
        'invalid_value',
        'few-shot needs chat or prompt–completion rows; convert the file first.',
        {
          param: 'few-shot',
        },
      );
    const own = value['messages'] as ChatMessage[];
    const head = own.filter(({ role }) => role === 'system' || role === 'developer');
    const rest = own.filter(({ role }) => role !== 'system' && role !== 'developer');
    const before = examples.flatMap((item) =>
      isObject(item) && Array.isArray(item['messages'])
        ? (item['messages'] as ChatMessage[])
            .filter(({ role }) => role === 'user' || role === 'assistant')
            .map((message) => (message.role === 'assistant' ? { ...message, weight: 0 } : message))
        : [],
    );
    return { ...value, messages: [...head, ...before, ...rest] };
  };
}
