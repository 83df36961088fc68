// Conversations → the rows.json that both engines of the `sft` benchmark read.
import { renderRow } from '../../src/data/render.ts';
import { openModel } from '../../src/weights/model-file.ts';

export type ChatRow = {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
};
/** `mask[i]` is 1 where token i is a target. */
export type MaskedRow = { readonly ids: readonly number[]; readonly mask: readonly number[] };

export async function renderRows(
  model: string,
  conversations: readonly ChatRow[],
): Promise<MaskedRow[]> {
  const file = await openModel(model);
  const voice = {
    tokenizer: await file.tokenizer(),
    chatTemplate: file.chatTemplate,
    bosToken: file.bosToken,
    eosToken: file.eosToken,
  };
  const rows = conversations.map((value) => {
    const { row } = renderRow(voice, { format: 'chat', value }, file.config.contextLength);
    return { ids: [...row.ids], mask: [...row.weights] };
  });
  await file.close();
  return rows;
}
