// Messages → token ids, for training and serving alike: the template's text is tokenized as a whole,
// its control tokens recognised, those that people typed inside a message left as plain text.
import type { Message } from './messages.ts';
import { type Rendered, type RenderOptions, renderChat, TemplateError } from './template.ts';
import type { Encoding, Tokenizer } from './tokenizer.ts';

export type ChatEncoding = Encoding & Rendered;

/** No BOS is added: where a model wants one, its template prints it. */
export function encodeChat(
  tokenizer: Tokenizer,
  template: string,
  messages: readonly Message[],
  options: RenderOptions,
): ChatEncoding {
  refuseControlTokens(tokenizer, messages, options);
  const rendered = renderChat(template, messages, options);
  const encoding = tokenizer.encodeWithOffsets(rendered.text, {
    special: true,
    plain: rendered.contents,
  });
  return { ...encoding, ...rendered };
}

/** The places of contents are known, those of names, tools and calls are not: a control token in
 *  them could end the turn. */
function refuseControlTokens(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  { tools = [] }: RenderOptions,
) {
  const check = (where: string, value: unknown) => {
    const text = JSON.stringify(value);
    const found = tokenizer.encode(text, { special: true }).find((id) => tokenizer.isSpecial(id));
    if (found === undefined) return;
    const token = tokenizer.decode([found]);
    throw new TemplateError(
      `${where} hold(s) '${token}', which is a control token of this model. It can stand in a ` +
        "message's 'content' only.",
    );
  };
  if (tools.length > 0) check("'tools'", tools);
  for (const [i, { role, content: _, weight: __, ...rest }] of messages.entries()) {
    if (!KNOWN_ROLES.has(role)) check(`The role of message ${i}`, role);
    for (const [key, value] of Object.entries(rest))
      check(`'${key}' of message ${i}`, value ?? null);
  }
}

const KNOWN_ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);
