// What the model will see of a row: the rendered text in stretches, each with whether it is learned.
// Computed from the very ids and weights that training gets.
import { say as inEnglish, type Say } from '../../messages/say.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { readSample } from '../convert/read.ts';
import { type Sample, shapeOf } from '../convert/shapes.ts';
import { explain } from '../problems.ts';
import { renderRow, type Voice } from '../render.ts';
import type { Row } from '../row.ts';
import { openSource, type SourceOptions, type SourceProblem } from '../source/rows.ts';

export type Stretch = {
  readonly text: string;
  /** Weight of the loss: 0 is read only, 1 is learned. */
  readonly weight: number;
  /** Text of each token; a token with part of a character is written as its bytes, <E4>. */
  readonly tokens: readonly string[];
  readonly ids: readonly number[];
};
export type Rendering = {
  /** Of a preference row there are two. */
  readonly part: 'row' | 'preferred' | 'rejected';
  readonly tokens: number;
  readonly learned: number;
  /** Tokens behind the cut. */
  readonly cut: number;
  readonly stretches: readonly Stretch[];
};
export type PreviewRow = {
  readonly line: number;
  /** From 1; 0 for a fault of the file, or of a record that is none of its rows. */
  readonly row: number;
  readonly renderings: readonly Rendering[];
  /** Why there is nothing to show, and what to do. */
  readonly problem: string | null;
};

/** `wanted` null: the first `count` rows. */
export async function previewData(
  path: string,
  wanted: readonly number[] | null,
  count: number,
  voice: Voice,
  contextLength: number,
  options: SourceOptions,
): Promise<readonly PreviewRow[]> {
  const { say = inEnglish } = options;
  const source = await openSource(path, options);
  const rows: PreviewRow[] = [];
  const last = wanted === null ? count : Math.max(...wanted);
  let lastLine = Number.POSITIVE_INFINITY;
  try {
    for await (const item of source.items()) {
      const { line, example: row } = item;
      if (item.kind === 'problem') {
        if (item.level === 'error' && (row === 0 || wanted === null || wanted.includes(row)))
          rows.push({ line, row, renderings: [], problem: problemText(item, say) });
      } else if (wanted === null || wanted.includes(row))
        rows.push({ line, row, ...previewOf(item.value, voice, contextLength, say) });
      if (row < last) continue;
      lastLine = line;
      break;
    }
    // The reader of tables tells all its problems first, also those far behind the rows that are shown.
    return rows.filter(({ row, line }) => row > 0 || line <= lastLine);
  } finally {
    await source.close();
  }
}

function problemText(item: SourceProblem, say: Say): string {
  const { what, fix } = explain(item, say);
  return `${item.file === null ? '' : `${item.file}: `}${what}. ${fix}`;
}

function previewOf(value: unknown, voice: Voice, contextLength: number, say: Say) {
  const shape = shapeOf(value);
  if (shape === null) {
    const keys = Object.keys(Object(value)).slice(0, 8).join(', ') || '–';
    return { renderings: [], problem: say('rows.no_form', { keys }) };
  }
  try {
    const { sample } = readSample(shape, value);
    return { renderings: renderings(sample, voice, contextLength), problem: null };
  } catch (error) {
    if (error instanceof Error && /^(ShapeError|TemplateError|TypeError)$/.test(error.name))
      return { renderings: [], problem: error.message };
    throw error;
  }
}

function renderings(sample: Sample, voice: Voice, contextLength: number): Rendering[] {
  const rendered = (part: Rendering['part'], format: 'chat' | 'completion', value: object) => {
    const { row, tokens, lost } = renderRow(
      voice,
      { format, value } as Parameters<typeof renderRow>[1],
      contextLength,
    );
    const stretches = stretchesOf(voice.tokenizer, row);
    const learned = stretches.reduce(
      (sum, { weight, ids }) => sum + (weight > 0 ? ids.length : 0),
      0,
    );
    return { part, tokens, learned, cut: lost, stretches };
  };
  switch (sample.kind) {
    case 'chat':
      return [rendered('row', 'chat', sample.value)];
    case 'completion':
      return [rendered('row', 'completion', sample)];
    case 'text':
      return [rendered('row', 'completion', { prompt: '', completion: sample.text })];
    case 'class': {
      const messages = [
        { role: 'user', content: sample.text },
        { role: 'assistant', content: sample.label },
      ];
      return [rendered('row', 'chat', { messages })];
    }
    case 'preference': {
      const { input, preferred, rejected } = sample;
      const whole = (answer: typeof preferred) => ({
        ...input,
        messages: [
          ...input.messages.map((m) => (m.role === 'assistant' ? { ...m, weight: 0 } : m)),
          ...answer,
        ],
      });
      return [
        rendered('preferred', 'chat', whole(preferred)),
        rendered('rejected', 'chat', whole(rejected)),
      ];
    }
    default:
      return sample satisfies never;
  }
}

function stretchesOf(tokenizer: Tokenizer, { ids, weights }: Row): Stretch[] {
  const stretches: Stretch[] = [];
  for (let from = 0; from < ids.length; ) {
    let to = from + 1;
    while (to < ids.length && weights[to] === weights[from]) to += 1;
    const own = [...ids.subarray(from, to)];
    const bytes = own.map((id) => tokenizer.tokenBytes(id));
    stretches.push({
      text: Buffer.concat(bytes).toString('utf8'),
      weight: weights[from]!,
      tokens: bytes.map(tokenText),
      ids: own,
    });
    from = to;
  }
  return stretches;
}

function tokenText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(
      bytes,
      (byte) => `<${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    ).join('');
  }
}
