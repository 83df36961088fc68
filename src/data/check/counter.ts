// Who counts tokens: the base model's own template and tokenizer, as in training, or OpenAI's
// vocabulary before a model is chosen.
import { cl100k } from '../../tokenizer/cl100k.ts';
import { TemplateError } from '../../tokenizer/template.ts';
import type { Sample } from '../convert/shapes.ts';
import type { ChatExample, ChatMessage } from '../formats/chat.ts';
import { renderRow, type Voice } from '../render.ts';
import { targetTokens } from '../row.ts';

export type RowTokens = {
  /** Before anything is cut. */
  readonly tokens: number;
  /** Those that carry loss within the context. */
  readonly targets: number;
  readonly assistant: number;
};

export type Counter = {
  readonly name: string;
  readonly contextLength: number;
  /** Throws TemplateError where the model's template cannot print the row. */
  readonly row: (sample: Sample) => RowTokens;
  readonly text: (text: string) => number;
  /** Ids of an answer as it is learned. */
  readonly answer: (text: string) => readonly number[];
};

/** The cookbook's rule: 3 for a message, 1 for a name, 3 for the reply; content alone is the assistant's. */
export function cl100kCounter(contextLength = 4096): Counter {
  const { count, encode } = cl100k();
  const value = (item: unknown) =>
    typeof item === 'string' ? count(item) : item === null ? 0 : count(JSON.stringify(item) ?? '');
  const message = (item: ChatMessage) => {
    let tokens = 3;
    for (const key in item) {
      if (key === 'weight') continue;
      tokens += value(item[key]);
      if (key === 'name') tokens += 1;
    }
    return tokens;
  };
  const ofMessages = (messages: readonly ChatMessage[]) => {
    let tokens = 3;
    let assistant = 0;
    let targets = 0;
    for (const item of messages) {
      tokens += message(item);
      if (item.role !== 'assistant') continue;
      const own = value(item.content ?? null);
      assistant += own;
      if (item.weight !== 0) targets += own;
    }
    return { tokens, assistant, targets };
  };
  const chat = ({ messages, tools, functions }: ChatExample) => {
    const counted = ofMessages(messages);
    const extra = [tools, functions].reduce((sum, list) => sum + (list ? value(list) : 0), 0);
    return { ...counted, tokens: counted.tokens + extra };
  };
  const plain = (prompt: string, answer: string) => {
    const assistant = count(answer);
    return { tokens: count(prompt) + assistant, assistant, targets: assistant };
  };
  return {
    name: 'cl100k_base',
    contextLength,
    text: count,
    answer: encode,
    row: (sample) => {
      switch (sample.kind) {
        case 'chat':
          return chat(sample.value);
        case 'completion':
          return plain(sample.prompt, sample.completion);
        case 'class':
          return plain(sample.text, sample.label);
        case 'text':
          return plain('', sample.text);
        case 'preference':
          return both(sample, chat);
        default:
          return sample satisfies never;
      }
    },
  };
}

/** Both answers are read with their prompt. */
function both(
  { input, preferred, rejected }: Extract<Sample, { kind: 'preference' }>,
  count: (chat: ChatExample) => RowTokens,
): RowTokens {
  const [a, b] = [preferred, rejected].map((answer) =>
    count({ ...input, messages: [...input.messages, ...answer] }),
  ) as [RowTokens, RowTokens];
  return {
    tokens: a.tokens + b.tokens,
    targets: a.targets + b.targets,
    assistant: a.assistant + b.assistant,
  };
}

export function modelCounter(voice: Voice, name: string, contextLength: number): Counter {
  const { tokenizer } = voice;
  const rendered = (format: 'chat' | 'completion', value: object): RowTokens => {
    const { row, tokens } = renderRow(
      voice,
      { format, value } as Parameters<typeof renderRow>[1],
      contextLength,
    );
    const targets = targetTokens(row);
    return { tokens, targets, assistant: targets };
  };
  const answer = (text: string) => [...tokenizer.encode(text, { special: false })];
  return {
    name,
    contextLength,
    text: (text) => tokenizer.encode(text, { special: false }).length,
    answer,
    row: (sample) => {
      switch (sample.kind) {
        case 'chat':
          return rendered('chat', sample.value);
        case 'completion':
          return rendered('completion', sample);
        case 'class':
          return rendered('chat', {
            messages: [
              { role: 'user', content: sample.text },
              { role: 'assistant', content: sample.label },
            ],
          });
        case 'text':
          return rendered('completion', { prompt: '', completion: sample.text });
        case 'preference':
          return both(sample, (value) => rendered('chat', value));
        default:
          return sample satisfies never;
      }
    },
  };
}

export const isTemplateError = (error: unknown): error is TemplateError =>
  error instanceof TemplateError;
