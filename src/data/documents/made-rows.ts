// What is written of rows that a model made: the rows, where each comes from, what was paid for and is no
// row, and how all of it was made.
import { rm } from 'node:fs/promises';
import { type ManifestInput, writeManifest } from '../source/manifest.ts';
import { writeRowsTo } from '../source/write-rows.ts';
import type { AskSettings, Told } from './ask.ts';

export type Made = {
  /** Null: no reply held a row, and nothing was written but what was rejected. */
  readonly output: string | null;
  readonly provenance: string | null;
  readonly manifest: string | null;
  /** Null: there was nothing of the kind. */
  readonly rejected: string | null;
  readonly rows: number;
  /** Answers of an earlier run that were used again. */
  readonly remembered: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
};

export async function writeMade(
  { output, settings }: { readonly output: string; readonly settings: AskSettings },
  {
    rows,
    rejected,
    step,
    inputs,
    told,
    inline = false,
  }: {
    readonly rows: readonly { readonly row: object; readonly source: object }[];
    readonly rejected: readonly object[];
    /** Of the manifest; model and sampling are added. */
    readonly step: object;
    readonly inputs: readonly ManifestInput[];
    readonly told: Told;
    /** Puts the provenance into the rows too. */
    readonly inline?: boolean;
  },
): Promise<Made> {
  const made = {
    rejected: await writeRejected(`${output}.rejected.jsonl`, rejected),
    rows: rows.length,
    remembered: told.remembered,
    prompt_tokens: told.promptTokens,
    completion_tokens: told.completionTokens,
  };
  if (rows.length === 0) return { ...made, output: null, provenance: null, manifest: null };
  const { model, endpoint, temperature, maxTokens: max_tokens, seed, memory } = settings;
  const sources = rows.map(({ source }) => ({ ...source, generated_by: model }));
  const written = await writeRowsTo(output, async (writer) => {
    for (const [i, { row }] of rows.entries())
      await writer.line(JSON.stringify(inline ? { ...row, source: sources[i] } : row));
  });
  const provenance = await writeRowsTo(`${output}.provenance.jsonl`, async (writer) => {
    for (const [i, source] of sources.entries())
      await writer.line(JSON.stringify({ line: i + 1, ...source }));
  });
  const manifest = await writeManifest(output, {
    seed,
    steps: [{ ...step, model, endpoint, temperature, max_tokens }],
    inputs,
    outputs: [written, provenance],
  });
  await rm(memory, { force: true });
  return { ...made, output, provenance: provenance.path, manifest };
}

/** Nothing that was paid for is lost. Where there is nothing, none of an earlier run stays either. */
async function writeRejected(path: string, items: readonly object[]): Promise<string | null> {
  if (items.length === 0) {
    await rm(path, { force: true });
    return null;
  }
  await writeRowsTo(path, async (writer) => {
    for (const item of items) await writer.line(JSON.stringify(item));
  });
  return path;
}
