// What the analyses look at in a sample, whatever its form: what is asked, what is answered.
import { contentText } from '../../tokenizer/messages.ts';
import type { Sample } from '../convert/shapes.ts';
import { type ChatMessage, isObject } from '../formats/chat.ts';

export type View = {
  /** System and developer messages, joined; null where there are none. */
  readonly system: string | null;
  /** Everything else that stands before the last answer. */
  readonly prompt: string;
  /** The last of it: what is answered. */
  readonly asked: string;
  /** What is learned last: the last assistant message, the completion, the label, the text. */
  readonly answer: string;
  /** All that is learned. */
  readonly answers: readonly string[];
  /** Every text of the row, for searches. */
  readonly texts: readonly string[];
  /** What is handed to functions, as JSON. */
  readonly given: readonly string[];
  readonly messages: readonly ChatMessage[] | null;
};

export function viewOf(sample: Sample): View {
  switch (sample.kind) {
    case 'chat':
      return ofMessages(sample.value.messages);
    case 'completion':
      return plain(sample.prompt, sample.completion);
    case 'class':
      return plain(sample.text, sample.label);
    case 'text':
      return plain('', sample.text);
    case 'preference': {
      const view = ofMessages([...sample.input.messages, ...sample.preferred]);
      return { ...view, texts: [...view.texts, ...sample.rejected.map(text)] };
    }
    default:
      return sample satisfies never;
  }
}

const text = ({ content }: ChatMessage) => {
  try {
    return contentText(content) ?? '';
  } catch {
    return ''; // a content that is no text is a problem of its own
  }
};

const plain = (prompt: string, answer: string): View => ({
  system: null,
  prompt,
  asked: prompt,
  answer,
  answers: [answer],
  texts: [prompt, answer],
  given: [],
  messages: null,
});

function given(messages: readonly ChatMessage[]): string[] {
  return messages.flatMap((message) => {
    const calls = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as unknown[]) : [];
    return [message['function_call'], ...calls.map((call) => isObject(call) && call['function'])]
      .map((called) => (isObject(called) ? called['arguments'] : null))
      .filter((text) => typeof text === 'string');
  });
}

function ofMessages(messages: readonly ChatMessage[]): View {
  let last = messages.length - 1;
  while (last >= 0 && messages[last]!.role !== 'assistant') last -= 1;
  const texts = messages.map(text);
  let system: string | null = null;
  let prompt = '';
  let asked = '';
  const answers: string[] = [];
  for (const [i, { role }] of messages.entries()) {
    if (role === 'system' || role === 'developer')
      system = system === null ? texts[i]! : `${system}\n${texts[i]!}`;
    else if (i < last || last < 0) prompt = prompt === '' ? texts[i]! : `${prompt}\n${texts[i]!}`;
    if (role === 'assistant') answers.push(texts[i]!);
    if (role === 'user' && (i < last || last < 0)) asked = texts[i]!;
  }
  const answer = last < 0 ? '' : texts[last]!;
  return {
    system,
    prompt,
    asked,
    answer,
    answers,
    texts,
    given: given(messages),
    messages,
  };
}
