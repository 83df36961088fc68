// Which tokens end a turn. Model files name one or two; chat models emit others of these as well
// (SmolLM2 ends a turn with <|im_end|> and a document with <|endoftext|>).
const NAMES = new Set([
  '</s>',
  '<|im_end|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end|>',
  '<end_of_turn>',
  '<eos>',
  '<|EOT|>',
]);

/** `named`: ids that the model file calls end tokens. Order: those first. */
export function stopTokenIds(
  named: readonly (number | null)[],
  control: readonly { readonly id: number; readonly content: string }[],
): number[] {
  const byName = control.filter(({ content }) => NAMES.has(content)).map(({ id }) => id);
  return [...new Set([...named.filter((id) => id !== null), ...byName])];
}
