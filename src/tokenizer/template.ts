// Chat template (Jinja) → text, with the exact place of every message's content in it. Templates are
// programs that may trim, fold or repeat what they are given, so places are found by rendering again
// with marks instead of contents, and believed only where both renderings agree around the mark.
import { Template } from '@huggingface/jinja';
import { type Message, type TemplateMessage, toTemplateMessage } from './messages.ts';

export type RenderOptions = {
  readonly addGenerationPrompt: boolean;
  readonly tools?: readonly unknown[];
  readonly bosToken?: string | null;
  readonly eosToken?: string | null;
};

/** `message` is the index in the conversation; offsets are UTF-16 units of the text. */
export type ContentSpan = {
  readonly message: number;
  readonly start: number;
  readonly end: number;
};
export type Rendered = { readonly text: string; readonly contents: readonly ContentSpan[] };

/** What a template refused or could not print; the message is for the person who wrote the rows. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

export function renderChat(
  template: string,
  messages: readonly Message[],
  options: RenderOptions,
): Rendered {
  const inputs = messages.map(toTemplateMessage);
  const text = render(template, inputs, options);
  refuseSilentLoss(template, inputs, options, text);
  return { text, contents: contentSpans(template, inputs, options, text) };
}

function render(
  source: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
): string {
  const template = compiled(source);
  try {
    return template.render({
      messages,
      add_generation_prompt: options.addGenerationPrompt,
      bos_token: options.bosToken ?? '',
      eos_token: options.eosToken ?? '',
      ...(options.tools !== undefined && options.tools.length > 0 && { tools: options.tools }),
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TemplateError(`The chat template of this model refuses the messages: ${reason}`, {
      cause,
    });
  }
}

const templates = new Map<string, Template>();
function compiled(source: string): Template {
  const known = templates.get(source);
  if (known !== undefined) return known;
  try {
    const template = new Template(source);
    templates.set(source, template);
    return template;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TemplateError(`The chat template of this model cannot be read: ${reason}`, { cause });
  }
}

/** A template that knows no tools prints the same text without them: then they would be lost. */
function refuseSilentLoss(
  template: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
  text: string,
) {
  const lost = (what: string, without: () => string) => {
    let same = false;
    try {
      same = without() === text;
    } catch {
      // It fails without them, so it reads them.
    }
    if (same)
      throw new TemplateError(
        `The chat template of this model has no place for ${what}. ` +
          `Write it as text in 'content', or train a model whose template knows tools.`,
      );
  };
  if (options.tools !== undefined && options.tools.length > 0) {
    const { tools: _, ...rest } = options;
    lost("'tools'", () => render(template, messages, rest));
  }
  for (const [i, message] of messages.entries()) {
    if (message.tool_calls === undefined) continue;
    const { tool_calls: _, ...rest } = message;
    lost(`the 'tool_calls' of message ${i}`, () =>
      render(template, messages.with(i, rest), options),
    );
  }
}

function contentSpans(
  template: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
  text: string,
): ContentSpan[] {
  const mark = markFor(text);
  const marked = (wanted: (i: number) => boolean) =>
    messages.map((message, i) =>
      message.content !== null && wanted(i) ? { ...message, content: mark(i) } : message,
    );
  const once = tryRender(
    template,
    marked(() => true),
    options,
  );
  const all = once === null ? null : alignAll(once, text, messages, mark);
  if (all !== null) return all;
  // One at a time: the text before and after the mark is the real one, whatever the template does to it.
  return messages.flatMap((message, i) => {
    if (message.content === null) return [];
    const alone = tryRender(
      template,
      marked((j) => j === i),
      options,
    );
    const [before, after, ...more] = alone?.split(mark(i)) ?? [];
    const fits =
      before !== undefined &&
      after !== undefined &&
      more.length === 0 &&
      before.length + after.length <= text.length &&
      text.startsWith(before) &&
      text.endsWith(after);
    if (fits) return [{ message: i, start: before.length, end: text.length - after.length }];
    if (message.content === '') return []; // printed in another way than a content that is there
    throw new TemplateError(
      `The chat template of this model does not print the content of message ${i} (role ` +
        `'${message.role}') in one place, so it cannot be told apart from the template's own text.`,
    );
  });
}

/** Walks the marked rendering and the real one side by side; null where they do not agree. */
function alignAll(
  marked: string,
  text: string,
  messages: readonly TemplateMessage[],
  mark: (i: number) => string,
): ContentSpan[] | null {
  const spans: ContentSpan[] = [];
  let from = 0;
  let at = 0;
  for (const [i, { content }] of messages.entries()) {
    if (content === null) continue;
    const found = marked.indexOf(mark(i), from);
    if (found < 0 || marked.indexOf(mark(i), found + 1) >= 0) return null;
    const literal = marked.slice(from, found);
    if (!text.startsWith(literal, at)) return null;
    at += literal.length;
    from = found + mark(i).length;
    // Many templates trim what they print.
    const printed = [content, content.trim()].find((form) => text.startsWith(form, at));
    if (printed === undefined) return null;
    spans.push({ message: i, start: at, end: at + printed.length });
    at += printed.length;
  }
  return text.slice(at) === marked.slice(from) ? spans : null;
}

function tryRender(
  template: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
): string | null {
  try {
    return render(template, messages, options);
  } catch (error) {
    if (error instanceof TemplateError) return null;
    throw error;
  }
}

/** Private-use characters that the text itself does not hold. */
function markFor(text: string) {
  let edge = '\uE000';
  while (text.includes(edge)) edge += '\uE001';
  return (i: number) => `${edge}${i}\uE002`;
}
