// How a model writes calls, read off its template: two calls are rendered, and what stands around their
// names and arguments is the form. What was taught is what is asked for and looked for.
import type { Message } from '../../tokenizer/messages.ts';
import { renderChat, TemplateError } from '../../tokenizer/template.ts';

/** A call is `open` (from the second on `next`), its name, `middle`, its arguments as JSON, `close`. */
export type CallForm = {
  readonly open: string;
  readonly next: string;
  readonly middle: string;
  readonly close: string;
  /** What tells a call from an answer in text, a part of `open`. */
  readonly sign: string;
  /** The sign may follow other text; without a mark of its own it must stand first. */
  readonly anywhere: boolean;
};

type Special = { readonly bosToken: string | null; readonly eosToken: string | null };

const NAMES = ['probe_one', 'probe_two'];
const ARGUMENTS = '\\{\\s*"probe_key"\\s*:\\s*"probe_value"\\s*\\}';

/** Null where the template prints calls in a form other than a name and JSON. */
export function callForm(template: string, special: Special): CallForm | null {
  const question = { role: 'user', content: 'question' };
  const tools = NAMES.map((name) => ({
    type: 'function',
    function: { name, description: 'd', parameters: { type: 'object', properties: {} } },
  }));
  const calls = NAMES.map((name, i) => ({
    id: `call0000${i}`,
    type: 'function',
    function: { name, arguments: '{"probe_key":"probe_value"}' },
  }));
  const turn = (answer: Message): string | null => {
    const options = { ...special, tools };
    const prompt = renderChat(template, [question], { ...options, addGenerationPrompt: true }).text;
    const whole = renderChat(template, [question, answer], {
      ...options,
      addGenerationPrompt: false,
    }).text;
    return whole.startsWith(prompt) ? whole.slice(prompt.length) : null;
  };
  try {
    const plain = turn({ role: 'assistant', content: 'probe_text' });
    const called = (count: number) =>
      turn({ role: 'assistant', content: null, tool_calls: calls.slice(0, count) });
    return formOf(plain, called(1), called(2));
  } catch (error) {
    if (error instanceof TemplateError) return null;
    throw error;
  }
}

function formOf(plain: string | null, one: string | null, two: string | null): CallForm | null {
  const end = plain?.split('probe_text')[1];
  const single = new RegExp(`^(.*?)${NAMES[0]}(.*?)${ARGUMENTS}(.*)$`, 's').exec(one ?? '');
  const double = new RegExp(`${ARGUMENTS}(.*?)${NAMES[1]}(.*?)${ARGUMENTS}`, 's').exec(two ?? '');
  if (end === undefined || single === null) return null;
  const [, open = '', middle = '', tail = ''] = single;
  if (!tail.endsWith(end) || open.trim() === '') return null;
  const close = tail.slice(0, tail.length - end.length);
  const between = double?.[1];
  // A template for one call at a time: the second is the same again.
  const next = between?.startsWith(close) === true ? between.slice(close.length) : open;
  const mark = /[<[][^\s{]+/.exec(open)?.[0];
  return { open, next, middle, close, sign: mark ?? open.trim(), anywhere: mark !== undefined };
}
