// /v1/embeddings on the tiny model: shapes, encodings, and what the numbers are.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../src/testing/model-server.ts';

let server: Awaited<ReturnType<typeof startModelServer>>;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const embed = async (input: string | string[] | number[] | number[][], more: object = {}) => {
  const answer = await server.client.embeddings.create({ model: TINY, input, ...more });
  return { ...answer, vectors: answer.data.map(({ embedding }) => embedding) };
};
const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const STORY = 'Once upon a time there was a little cat. ';

test('vectors have length 1, and base64 carries the same numbers as float', async () => {
  const [float, base64] = [
    await embed(STORY, { encoding_format: 'float' }),
    await embed(STORY), // the client asks for base64 and decodes it
  ];
  expect(float.vectors[0]).toHaveLength(64);
  expect(dot(float.vectors[0]!, float.vectors[0]!)).toBeCloseTo(1, 5);
  expect(base64.vectors).toEqual(float.vectors);
  expect(float.usage).toMatchObject({ total_tokens: float.usage.prompt_tokens });
  const raw = await server.post('/embeddings', {
    model: TINY,
    input: STORY,
    encoding_format: 'base64',
  });
  const { data } = (await raw.json()) as { data: { embedding: string }[] };
  expect(Buffer.from(data[0]!.embedding, 'base64').readFloatLE(4)).toBe(float.vectors[0]![1]);
});

test('a batch is the same as one by one, in order; token ids and text agree', async () => {
  const texts = ['A dog ran home.', STORY, 'Tim'];
  const batch = await embed(texts);
  expect(batch.data.map(({ index }) => index)).toEqual([0, 1, 2]);
  for (const [i, text] of texts.entries()) {
    const [alone] = (await embed(text)).vectors;
    expect(dot(alone!, batch.vectors[i]!)).toBeCloseTo(1, 5);
  }
  const { openModel } = await import('../src/weights/model-file.ts');
  const model = await openModel('assets/models/stories260K.gguf');
  const tokenizer = await model.tokenizer();
  await model.close();
  const ids = [tokenizer.bosId!, ...tokenizer.encode(STORY, { special: true })];
  expect(dot((await embed([ids, [1]])).vectors[0]!, batch.vectors[1]!)).toBeCloseTo(1, 5);
});

test('a long text is pooled over all of it; one that does not fit is refused', async () => {
  const long = (await embed(STORY.repeat(30))).vectors[0]!;
  const other = (await embed(`${STORY.repeat(29)}The red car was very fast and loud.`)).vectors[0]!;
  expect(dot(long, other)).toBeLessThan(0.9999);
  expect(dot(long, other)).toBeGreaterThan(0.9);
  await expect(embed(STORY.repeat(60))).rejects.toMatchObject({
    code: 'context_length_exceeded',
    param: 'input',
  });
});

test('texts on one thing are nearer than texts on different things', async () => {
  const { vectors } = await embed([
    'The dog ran in the park with a ball.',
    'A dog played with his ball in the park.',
    'Mom said it was time for bed and kissed Lily good night.',
  ]);
  expect(dot(vectors[0]!, vectors[1]!)).toBeGreaterThan(dot(vectors[0]!, vectors[2]!));
});

test('dimensions cut the vector and keep its length at 1', async () => {
  const [full, cut] = [await embed(STORY), await embed(STORY, { dimensions: 16 })];
  expect(cut.vectors[0]).toHaveLength(16);
  expect(dot(cut.vectors[0]!, cut.vectors[0]!)).toBeCloseTo(1, 5);
  expect(cut.vectors[0]![3]! / cut.vectors[0]![2]!).toBeCloseTo(
    full.vectors[0]![3]! / full.vectors[0]![2]!,
    4,
  );
  await expect(embed(STORY, { dimensions: 65 })).rejects.toMatchObject({ param: 'dimensions' });
});

test.each([
  [{ input: '' }, 'input'],
  [{ input: [] }, 'input'],
  [{ input: ['a', ''] }, 'input[1]'],
  [{ input: [[1, 9999]] }, 'input'],
  [{ encoding_format: 'hex' }, 'encoding_format'],
  [{ model: 'none' }, null],
])('%j is refused', async (change, param) => {
  const answer = await server.post('/embeddings', { model: TINY, input: 'a', ...change });
  const { error } = (await answer.json()) as { error: { param: string | null } };
  expect([answer.status >= 400 && answer.status < 500, error.param]).toEqual([true, param]);
});
