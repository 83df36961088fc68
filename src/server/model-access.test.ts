// Who may use a model that a key with a project has made: what permissions open and close again.
import { expect, test } from 'vitest';
import { pretendApp } from '../testing/pretend-app.ts';
import { temporaryStore } from '../testing/temporary-store.ts';

type Json = Record<string, unknown> & {
  data: { id: string; fine_tuned_model_checkpoint: string }[];
};

test('a model is there for the project that made it, for those that it is shared with, and for keys of none', async () => {
  const { app, scripted } = await pretendApp(await temporaryStore());
  const call = async (key: string | null, method: string, path: string, body?: object) => {
    const headers = key === null ? {} : { authorization: `Bearer ${key}` };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await app.request(path, { method, headers, ...sent });
    return { status: response.status, json: (await response.json()) as Json };
  };
  const keyOf = async (maker: string | null, more: object) =>
    String((await call(maker, 'POST', '/tunery/v1/keys', more)).json['value']);
  const admin = await keyOf(null, {});
  const [a, b] = [await keyOf(admin, { project: 'a' }), await keyOf(admin, { project: 'b' })];
  const free = await keyOf(admin, { scopes: ['read', 'infer'] });

  const created = await call(a, 'POST', '/v1/fine_tuning/jobs', {
    model: 'tiny-1m',
    training_file: await scripted(),
  });
  const jobPath = `/v1/fine_tuning/jobs/${String(created.json['id'])}`;
  await expect
    .poll(async () => (await call(admin, 'GET', jobPath)).json['status'], { timeout: 20_000 })
    .toBe('succeeded');
  const model = String((await call(admin, 'GET', jobPath)).json['fine_tuned_model']);
  const [checkpoint] = (await call(admin, 'GET', `${jobPath}/checkpoints`)).json.data;
  const half = checkpoint!.fine_tuned_model_checkpoint;

  /** Read, listed, asked, strengthened, trained further. */
  const uses = async (key: string, id: string) => {
    const listed = (await call(key, 'GET', '/v1/models')).json.data.some((one) => one.id === id);
    const messages = [{ role: 'user', content: 'Count.' }];
    const ask = (name: string) =>
      call(key, 'POST', '/v1/chat/completions', { model: name, messages, max_tokens: 2 });
    const statuses = [
      await call(key, 'GET', `/v1/models/${id}`),
      await ask(id),
      await ask(`${id}@0.5`),
    ];
    return [listed, ...statuses.map(({ status }) => status)];
  };
  const YES = [true, 200, 200, 200];
  const NO = [false, 404, 404, 404];
  const train = async (key: string, id: string) =>
    (
      await call(key, 'POST', '/v1/fine_tuning/jobs', {
        model: id,
        training_file: await scripted(),
      })
    ).json;
  for (const key of [admin, a, free]) expect(await uses(key, model)).toEqual(YES);
  expect(await uses(b, model)).toEqual(NO);
  expect(await uses(b, half)).toEqual(NO);
  expect(await train(b, model)).toMatchObject({
    error: { code: 'model_not_found', param: 'model' },
  });

  const permissions = `/v1/fine_tuning/checkpoints/${encodeURIComponent(half)}/permissions`;
  const granted = await call(admin, 'POST', permissions, { project_ids: ['proj_b'] });
  expect(await uses(b, half)).toEqual(YES);
  expect(await uses(b, model)).toEqual(NO); // each name is shared by itself
  expect(await train(b, half)).toMatchObject({ object: 'fine_tuning.job', model: half });
  await call(admin, 'DELETE', `${permissions}/${granted.json.data[0]!.id}`);
  expect(await uses(b, half)).toEqual(NO);
});
