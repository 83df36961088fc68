// A Sample → a row of the form that was asked for, and what that form has no place for.
import { contentText } from '../../tokenizer/messages.ts';
import type { ChatExample, ChatMessage } from '../formats/chat.ts';
import type { Loss, LossKey } from './read.ts';
import type { Json, Sample } from './shapes.ts';

export const TARGETS = [
  'chat',
  'completion',
  'preference',
  'preference-completion',
  'chosen-rejected',
  'alpaca',
  'sharegpt',
  'qa',
  'classification',
  'text',
] as const;
export type Target = (typeof TARGETS)[number];

export type WriteOptions = {
  /** Put before every conversation that has none. */
  readonly system: string | null;
  /** Ends every prompt, and every completion, of the completion form. */
  readonly separator: string;
  readonly stop: string;
};

export const WRITE_DEFAULTS: WriteOptions = {
  system: null,
  separator: '\n\n###\n\n',
  stop: '',
};

/** `row` null: nothing of the sample fits, and `lost` says why. */
export type Written = { readonly row: Json | null; readonly lost: readonly Loss[] };

const loss = (key: LossKey, params: Loss['params'] = {}): Loss => ({ key, params });

export function writeSample(target: Target, sample: Sample, options: WriteOptions): Written {
  // An empty line of a text is no row.
  if (sample.kind === 'text' && sample.text.trim() === '')
    return { row: null, lost: [loss('convert.lost.blank')] };
  switch (target) {
    case 'chat':
      return asChat(sample, options);
    case 'completion':
      return asCompletion(sample, options);
    case 'preference':
    case 'preference-completion':
    case 'chosen-rejected':
      return asPreference(target, sample, options);
    default:
      return flat(target, sample, options);
  }
}

/** The sample as a conversation; null where it is none. */
export function conversation(
  sample: Sample,
  { system, separator, stop }: WriteOptions,
): { readonly value: ChatExample; readonly lost: readonly Loss[] } | null {
  const lost: Loss[] = [];
  let value: ChatExample;
  if (sample.kind === 'chat') value = sample.value;
  else if (sample.kind === 'completion') {
    const answer = dropEnd(sample.completion, stop).replace(/^ /, '');
    if (answer !== sample.completion) lost.push(loss('convert.lost.space'));
    value = pair(dropEnd(sample.prompt, separator), answer);
    if (sample.prompt === '') return { value: { messages: value.messages.slice(1) }, lost };
  } else if (sample.kind === 'class') value = pair(sample.text, sample.label);
  else if (sample.kind === 'preference') {
    value = { ...sample.input, messages: [...sample.input.messages, ...sample.preferred] };
    lost.push(loss('convert.lost.rejected'));
  } else return null;
  const headed = value.messages.some(({ role }) => role === 'system' || role === 'developer');
  if (system === null || headed) return { value, lost };
  return {
    value: { ...value, messages: [{ role: 'system', content: system }, ...value.messages] },
    lost,
  };
}

const pair = (user: string, assistant: string): ChatExample => ({
  messages: [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ],
});

const dropEnd = (text: string, end: string) =>
  end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text;

function asChat(sample: Sample, options: WriteOptions): Written {
  const found = conversation(sample, options);
  if (found === null) return { row: null, lost: [loss('convert.lost.no_answer')] };
  return { row: found.value as unknown as Json, lost: found.lost };
}

function asCompletion(sample: Sample, options: WriteOptions): Written {
  const { separator, stop } = options;
  const row = (prompt: string, completion: string): Json => ({
    prompt: prompt === '' ? '' : `${prompt}${separator}`,
    completion: `${/^\s/.test(completion) ? '' : ' '}${completion}${stop}`,
  });
  if (sample.kind === 'completion')
    return { row: { prompt: sample.prompt, completion: sample.completion }, lost: [] };
  if (sample.kind === 'text') return { row: { prompt: '', completion: sample.text }, lost: [] };
  const found = conversation(sample, options);
  if (found === null) return { row: null, lost: [loss('convert.lost.no_answer')] };
  const lost = [...found.lost, ...lossesOfPlainText(found.value)];
  const { messages } = found.value;
  const answer = messages.findLastIndex(({ role }) => role === 'assistant');
  if (answer < 0) return { row: null, lost: [...lost, loss('convert.lost.no_answer')] };
  if (answer < messages.length - 1) lost.push(loss('convert.lost.after'));
  const before = messages.slice(0, answer);
  const talk = before.filter(({ role }) => role !== 'system' && role !== 'developer');
  const plain = before.length === 1 && talk.length === 1;
  if (!plain && before.length > 0) lost.push(loss('convert.lost.roles'));
  const prompt =
    talk.length <= 1
      ? before.map(textOf).join('\n\n')
      : before.map((m) => `${NAMES[m.role] ?? m.role}: ${textOf(m)}`).join('\n');
  return { row: row(prompt, textOf(messages[answer]!)), lost };
}

const NAMES: Readonly<Record<string, string>> = {
  system: 'System',
  developer: 'System',
  user: 'User',
  assistant: 'Assistant',
  tool: 'Tool',
};

/** Text of a message; '' where it only calls functions. */
export const textOf = (message: ChatMessage) => contentText(message.content) ?? '';

function lossesOfPlainText({ messages, tools, functions }: ChatExample): Loss[] {
  const lost: Loss[] = [];
  if (tools !== undefined || functions !== undefined) lost.push(loss('convert.lost.tools'));
  if (messages.some((m) => m['tool_calls'] ?? m['function_call']))
    lost.push(loss('convert.lost.calls'));
  if (messages.some((m) => m.weight !== undefined)) lost.push(loss('convert.lost.weight'));
  if (messages.some((m) => m['name'] !== undefined)) lost.push(loss('convert.lost.name'));
  const answers = messages.filter(({ role }) => role === 'assistant').length;
  if (answers > 1) lost.push(loss('convert.lost.earlier', { answers: answers - 1 }));
  return lost;
}

function asPreference(
  target: 'preference' | 'preference-completion' | 'chosen-rejected',
  sample: Sample,
  { system }: WriteOptions,
): Written {
  if (sample.kind !== 'preference') return { row: null, lost: [loss('convert.lost.no_rejected')] };
  const { input, preferred, rejected } = sample;
  const headed = input.messages.some(({ role }) => role === 'system' || role === 'developer');
  const messages =
    system === null || headed
      ? input.messages
      : [{ role: 'system', content: system }, ...input.messages];
  if (target === 'chosen-rejected') {
    const lost = input.tools === undefined ? [] : [loss('convert.lost.tools')];
    return { row: { prompt: messages, chosen: preferred, rejected }, lost };
  }
  if (![preferred, rejected].every(isOneAnswer))
    return { row: null, lost: [loss('convert.lost.several_messages')] };
  const ending = target === 'preference' ? 'output' : 'completion';
  return {
    row: {
      input: { ...input, messages },
      [`preferred_${ending}`]: preferred,
      [`non_preferred_${ending}`]: rejected,
    },
    lost: [],
  };
}

/** All that the API takes for an answer. */
const isOneAnswer = (answer: readonly ChatMessage[]) =>
  answer.length === 1 && answer[0]!.role === 'assistant';

/** Forms without roles. */
function flat(target: Target, sample: Sample, options: WriteOptions): Written {
  if (target === 'text' && sample.kind === 'text') return { row: { text: sample.text }, lost: [] };
  if (target === 'text' && sample.kind === 'completion')
    return {
      row: { text: sample.prompt + sample.completion },
      lost: [loss('convert.lost.boundary')],
    };
  if (target === 'classification' && sample.kind === 'class')
    return { row: { text: sample.text, label: sample.label }, lost: [] };
  const found = conversation(sample, options);
  if (found === null) return { row: null, lost: [loss('convert.lost.no_answer')] };
  const { value } = found;
  if (target === 'sharegpt') return asShareGpt(value, found.lost);
  const losses = lossesOfPlainText(value);
  const earlier = losses.filter(({ key }) => key === 'convert.lost.earlier');
  const lost = [...found.lost, ...losses.filter((item) => !earlier.includes(item))];
  if (target === 'text') {
    const text = value.messages
      .map((message) => `${NAMES[message.role] ?? message.role}: ${textOf(message)}`)
      .join('\n');
    return { row: { text }, lost: [...lost, loss('convert.lost.boundary')] };
  }
  const system = value.messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .map(textOf)
    .join('\n');
  const talk = value.messages.filter(({ role }) => role !== 'system' && role !== 'developer');
  const turns = pairs(talk);
  const last = turns?.at(-1);
  if (turns === null || last === undefined)
    return { row: null, lost: [...lost, loss('convert.lost.not_pairs')] };
  const [question, answer] = last;
  if (target === 'alpaca') {
    const history = turns.slice(0, -1);
    const row: Json = {
      instruction: question,
      input: '',
      output: answer,
      ...(system === '' ? {} : { system }),
      ...(history.length === 0 ? {} : { history }),
    };
    return { row, lost };
  }
  if (system !== '') lost.push(loss('convert.lost.system'));
  if (turns.length > 1) lost.push(loss('convert.lost.turns', { turns: turns.length - 1 }));
  const row: Json =
    target === 'qa' ? { question, answer } : { text: question, label: answer.trim() };
  return { row, lost };
}

/** Questions and answers in turn; null for anything else. */
function pairs(talk: readonly ChatMessage[]): [string, string][] | null {
  const out: [string, string][] = [];
  if (talk.length % 2 !== 0) return null;
  for (let i = 0; i < talk.length; i += 2) {
    const [user, assistant] = [talk[i]!, talk[i + 1]!];
    if (user.role !== 'user' || assistant.role !== 'assistant') return null;
    out.push([textOf(user), textOf(assistant)]);
  }
  return out;
}

function asShareGpt(value: ChatExample, before: readonly Loss[]): Written {
  const lost = [...before];
  const names: Readonly<Record<string, string>> = {
    user: 'human',
    assistant: 'gpt',
    tool: 'observation',
    function: 'observation',
    system: 'system',
    developer: 'system',
  };
  if (value.messages.some((m) => m.weight !== undefined)) lost.push(loss('convert.lost.weight'));
  if (value.messages.some((m) => m['name'] !== undefined)) lost.push(loss('convert.lost.name'));
  if (value.messages.some((m) => Array.isArray(m['tool_calls'])) && !plainIds(value.messages))
    lost.push(loss('convert.lost.ids'));
  const head = value.messages[0];
  const system = head && names[head.role] === 'system' ? textOf(head) : null;
  const rest = system === null ? value.messages : value.messages.slice(1);
  const conversations = rest.flatMap((message) => {
    const calls = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as unknown[]) : [];
    const old =
      message['function_call'] === undefined ? [] : [{ function: message['function_call'] }];
    const made = [...calls, ...old].map((call) => {
      const { name, arguments: given } = (call as { function: { name: string; arguments: string } })
        .function;
      return { name, arguments: parsedOr(given) };
    });
    const text = textOf(message);
    const said =
      text === '' && made.length > 0
        ? []
        : [{ from: names[message.role] ?? message.role, value: text }];
    if (made.length === 0) return said;
    const called = made.length === 1 ? made[0] : made;
    return [...said, { from: 'function_call', value: JSON.stringify(called) }];
  });
  const tools = [
    ...(value.tools ?? []).map((tool) => (tool as Json)['function']),
    ...(value.functions ?? []),
  ];
  const row: Json = {
    conversations,
    ...(system === null ? {} : { system }),
    ...(tools.length === 0 ? {} : { tools: JSON.stringify(tools) }),
  };
  return { row, lost };
}

/** The ids that come out when the row is read again: call_1, call_2 … */
function plainIds(messages: readonly ChatMessage[]): boolean {
  const ids = messages.flatMap((m) =>
    Array.isArray(m['tool_calls']) ? m['tool_calls'].map((call) => (call as Json)['id']) : [],
  );
  return ids.every((id, i) => id === `call_${i + 1}`);
}

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
