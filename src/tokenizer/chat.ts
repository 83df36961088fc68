// Messages → token ids, for training and serving alike: the template's text is tokenized as a whole,
// its control tokens recognised, those that people typed inside a message left as plain text.
import type { Message } from './messages.ts';
import { type Rendered, type RenderOptions, renderChat } from './template.ts';
import type { Encoding, Tokenizer } from './tokenizer.ts';

export type ChatEncoding = Encoding & Rendered;

/** No BOS is added: where a model wants one, its template prints it. */
export function encodeChat(
  tokenizer: Tokenizer,
  template: string,
  messages: readonly Message[],
  options: RenderOptions,
): ChatEncoding {
  const rendered = renderChat(template, messages, options);
  const written = [...rendered.contents];
  return {
    ...tokenizer.encodeWithOffsets(rendered.text, { special: true, plain: written }),
    ...rendered,
  };
}
