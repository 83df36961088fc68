// `tunery data convert`, `preview` and `overlap` in their child.

import { viewOf } from '../../data/analyse/view.ts';
import { overlap, Vocabulary } from '../../data/analyse/vocabulary.ts';
import { type Converted, convertData } from '../../data/convert/convert-data.ts';
import { readSample, ShapeError } from '../../data/convert/read.ts';
import { SHAPES, shapeOf } from '../../data/convert/shapes.ts';
import { TARGETS } from '../../data/convert/write.ts';
import { type PreviewRow, previewData } from '../../data/preview/preview.ts';
import { openSource } from '../../data/source/rows.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { speaker } from '../../messages/say.ts';
import { openModel } from '../../weights/model-file.ts';
import type { ConvertTask, OverlapTask, PreviewTask } from '../data-protocol.ts';
import type { Told } from './data-process.ts';
import { voiceOf } from './prepare.ts';

export function convertTask(task: ConvertTask, told: Told): Promise<Converted> {
  const { system, separator, stop, from, to } = task;
  return convertData(
    {
      ...task,
      from: from === null ? null : oneOf('from', from, SHAPES),
      to: oneOf('to', to, TARGETS),
      options: { system, separator, stop },
    },
    (rows) => void told.send({ type: 'progress', stage: 'rows', rows, file: task.path }),
    speaker(task.language ?? 'en'),
  );
}

function oneOf<T extends string>(param: string, value: string, known: readonly T[]): T {
  if (known.includes(value as T)) return value as T;
  throw new CodedError(
    'invalid_value',
    `${param} must be one of ${known.join(', ')}; got '${value}'.`,
    {
      param,
    },
  );
}

const LONGEST_DEFAULT_CONTEXT = 4096;

export async function previewTask(task: PreviewTask): Promise<readonly PreviewRow[]> {
  const model = await openModel(task.model);
  try {
    const context =
      task.contextLength ?? Math.min(model.config.contextLength, LONGEST_DEFAULT_CONTEXT);
    const options = { ...task, say: speaker(task.language ?? 'en') };
    const voice = await voiceOf(model);
    return await previewData(task.path, task.rows, task.count, voice, context, options);
  } finally {
    await model.close();
  }
}

export async function overlapTask({ path, other, sheet, encoding }: OverlapTask): Promise<{
  readonly percent: number;
  readonly words: readonly [number, number];
}> {
  const [a, b] = [await wordsOf(path, { sheet, encoding }), await wordsOf(other, {})];
  const share = overlap(a, b);
  return { percent: Number((100 * share).toFixed(2)), words: [a.length, b.length] };
}

async function wordsOf(
  path: string,
  options: { sheet?: string | undefined; encoding?: string | undefined },
) {
  const source = await openSource(path, options);
  const vocabulary = new Vocabulary();
  try {
    for await (const item of source.items()) {
      if (item.kind !== 'row') continue;
      for (const text of textsIn(item.value)) vocabulary.add(text);
    }
    return vocabulary.top();
  } finally {
    await source.close();
  }
}

function textsIn(value: unknown): readonly string[] {
  const shape = shapeOf(value);
  if (shape === null) return stringsIn(value);
  try {
    return viewOf(readSample(shape, value).sample).texts;
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    return stringsIn(value);
  }
}

/** Rows of no known form count too, and those that lack a part of theirs: every text in them. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}
