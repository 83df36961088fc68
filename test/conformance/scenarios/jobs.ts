// Lines on fine-tuning jobs.
import assert from 'node:assert/strict';
import { until } from '../made.ts';
import { TINY } from '../server.ts';
import { type Context, post, type Scenario } from './scenario.ts';

const ENDED = ['succeeded', 'failed', 'cancelled'];

export const JOBS: readonly Scenario[] = [
  {
    line: 11,
    what: 'the list in pages of one visits all jobs, newest first',
    clients: ['node-7', 'node-4'],
    run: async ({ client }) => {
      const seen: string[] = [];
      const times: number[] = [];
      for await (const job of client.fineTuning.jobs.list({ limit: 1 })) {
        seen.push(job.id);
        times.push(job.created_at);
      }
      const whole = await client.fineTuning.jobs.list({ limit: 100 });
      assert.deepEqual(
        seen,
        whole.data.map(({ id }) => id),
      );
      assert.ok(seen.length > 1);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => b - a),
      );
    },
  },
  {
    line: 12,
    what: 'paging through events while the job runs neither skips nor repeats',
    clients: ['node-7'],
    run: async ({ client, made }) => {
      const { jobs } = client.fineTuning;
      const id = await made.newJob();
      await until(() => jobs.retrieve(id), ['running']);
      await until(async () => {
        const { data } = await jobs.listEvents(id, { limit: 12 });
        return { status: data.length === 12 ? 'many' : 'few' };
      }, ['many']);
      const paged: string[] = [];
      for await (const event of jobs.listEvents(id, { limit: 2 })) paged.push(event.id);
      await jobs.cancel(id);
      const whole: string[] = [];
      for await (const event of jobs.listEvents(id, { limit: 100 })) whole.push(event.id);
      assert.deepEqual(paged, whole.slice(whole.length - paged.length));
      assert.equal(new Set(paged).size, paged.length);
    },
  },
  {
    line: 13,
    what: '`auto` becomes numbers once the file is validated',
    clients: ['node-7'],
    run: async ({ client, made }) => {
      const { jobs } = client.fineTuning;
      const asked = await jobs.create({ model: TINY, training_file: made.file });
      const job = await until(() => jobs.retrieve(asked.id), ['queued', 'running', ...ENDED]);
      const { n_epochs, batch_size, learning_rate_multiplier } = job.hyperparameters;
      assert.deepEqual([n_epochs, batch_size], [8, 1]); // 12 rows: ⌊100/12⌋ epochs
      assert.equal(typeof learning_rate_multiplier, 'number');
      assert.deepEqual(job.method?.supervised?.hyperparameters, job.hyperparameters);
      if (!ENDED.includes(job.status)) await jobs.cancel(job.id);
    },
  },
  {
    line: 14,
    what: 'nine rows: the job is created and fails with invalid_n_examples',
    clients: ['node-7'],
    run: async ({ client, made }) => {
      const rows = Array.from({ length: 9 }, () => ({ prompt: 'a', completion: ' b' }));
      const training_file = await made.upload('nine.jsonl', rows, 'fine-tune');
      const { id } = await client.fineTuning.jobs.create({ model: TINY, training_file });
      const job = await until(() => client.fineTuning.jobs.retrieve(id), ENDED);
      assert.deepEqual([job.status, job.error?.code], ['failed', 'invalid_n_examples']);
      assert.match(job.error!.message, /has 9 example\(s\), but must have at least 10/);
    },
  },
  {
    line: 15,
    what: 'an unknown training file is a 400',
    clients: ['node-7', 'python-3'],
    run: async ({ client }) => {
      await assert.rejects(
        client.fineTuning.jobs.create({ model: TINY, training_file: 'file-gone' }),
        { status: 400, param: 'training_file' },
      );
    },
  },
  {
    line: 16,
    what: 'cancelling a job that has ended is a 400',
    clients: ['node-7'],
    run: async ({ client, made }) => {
      await assert.rejects(client.fineTuning.jobs.cancel(made.job), { status: 400 });
    },
  },
  {
    line: 17,
    what: 'names of checkpoints answer in completions and chat',
    clients: ['node-7', 'python-3'],
    run: async ({ client, made }) => {
      const short = { model: made.checkpoint, max_tokens: 2 };
      const text = await client.completions.create({ ...short, prompt: 'Tim' });
      assert.equal(text.object, 'text_completion');
      const messages = [{ role: 'user' as const, content: 'Hi' }];
      const chat = await client.chat.completions.create({ ...short, messages });
      assert.equal(chat.choices[0]!.message.role, 'assistant');
    },
  },
  {
    line: 18,
    what: '`weight: 0` takes a message out of training',
    clients: ['node-7'],
    run: async (context) => {
      const losses = async (weight: 0 | 1) => {
        const rows = Array.from({ length: 10 }, (_, i) => ({
          messages: [
            { role: 'user', content: `Hi ${i}` },
            { role: 'assistant', content: 'zzqq xxkk zzqq', weight },
            { role: 'user', content: 'And?' },
            { role: 'assistant', content: 'The end.' },
          ],
        }));
        const file = await context.made.upload('weights.jsonl', rows, 'fine-tune');
        return (await train(context, { training_file: file })).csv;
      };
      assert.notEqual(await losses(0), await losses(1));
    },
  },
  {
    line: 19,
    what: 'preference rows are taken with either spelling of their keys; `dpo` is refused by name',
    clients: ['node-7'],
    run: async ({ client, made }) => {
      for (const word of ['output', 'completion']) {
        const better = `preferred_${word}`;
        const worse = `non_preferred_${word}`;
        const answer = (content: string) => [{ role: 'assistant', content }];
        const row = (i: number) => ({
          input: { messages: [{ role: 'user', content: `Hi ${i}` }] },
          [better]: answer('Good.'),
          [worse]: answer('Bad.'),
        });
        const rows = Array.from({ length: 10 }, (_, i) => row(i));
        const refuses = async (bad: object, place: string) =>
          await assert.rejects(made.upload('bad.jsonl', [...rows, bad], 'fine-tune'), {
            status: 400,
            code: 'invalid_file_format',
            message: new RegExp(`line 11, ${place}`),
          });
        await refuses({ ...row(10), [worse]: undefined }, worse);
        await refuses({ ...row(10), [better]: [] }, better);
        await refuses(
          { ...row(10), [better]: [{ role: 'user', content: 'x' }] },
          `${better}\\[0\\].role`,
        );
        await refuses({ ...row(10), input: { messages: [] } }, 'input.messages');
        const training_file = await made.upload('preferences.jsonl', rows, 'fine-tune');
        const { jobs } = client.fineTuning;
        for (const hyperparameters of [{}, { beta: 0.1 }])
          await assert.rejects(
            jobs.create({
              model: TINY,
              training_file,
              method: { type: 'dpo', dpo: { hyperparameters } },
            }),
            { status: 400, param: 'method.type', code: 'unsupported_parameter', message: /'dpo'/ },
          );
        const { id } = await jobs.create({ model: TINY, training_file });
        const job = await until(() => jobs.retrieve(id), ENDED);
        assert.deepEqual([job.status, job.error?.code], ['failed', 'invalid_training_file']);
        assert.match(job.error!.message, /preference \(dpo\) format/);
      }
    },
  },
  {
    line: 20,
    what: 'the same seed gives the same result file',
    clients: ['node-7'],
    run: async (context) => {
      const one = await train(context, { seed: 7 });
      const two = await train(context, { seed: 7 });
      const other = await train(context, { seed: 8 });
      assert.equal(one.csv, two.csv);
      assert.notEqual(one.csv, other.csv);
    },
  },
  {
    line: 21,
    what: 'suffixes are normalised; without one the name has an empty place',
    clients: ['node-7'],
    run: async (context) => {
      const named = await train(context, { suffix: 'My  Toys!' });
      assert.match(named.job.fine_tuned_model!, /^ft:stories260k:tunery:my-toys:\w{8}$/);
      const plain = await train(context, {});
      assert.match(plain.job.fine_tuned_model!, /^ft:stories260k:tunery::\w{8}$/);
    },
  },
  {
    line: 22,
    what: 'a deleted model is a 404 model_not_found in completions',
    clients: ['node-7'],
    run: async (context) => {
      const model = (await train(context, {})).job.fine_tuned_model!;
      const { client } = context;
      await client.completions.create({ model, prompt: 'Tim', max_tokens: 1 });
      assert.equal((await client.models.delete(model)).deleted, true);
      await assert.rejects(client.completions.create({ model, prompt: 'Tim' }), {
        status: 404,
        code: 'model_not_found',
      });
    },
  },
  {
    line: 23,
    what: 'the result file has a row per step, and its losses are those of the events',
    clients: ['node-7'],
    run: async (context) => {
      const { job, csv } = await train(context, { epochs: 2 });
      const [header, ...lines] = csv.trim().split('\n');
      assert.ok(
        header!.startsWith('step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy'),
      );
      assert.equal(lines.length, 6); // 12 rows, 4 at a time, twice
      const losses = new Map<number, number>();
      for await (const event of context.client.fineTuning.jobs.listEvents(job.id, { limit: 100 })) {
        const data = event.data as { step?: number; train_loss?: number } | null | undefined;
        if (event.type === 'metrics' && data?.step) losses.set(data.step, data.train_loss!);
      }
      for (const line of lines) {
        const [step, loss] = line.split(',').map(Number);
        assert.ok(Math.abs(losses.get(step!)! - loss!) < 1e-4, line);
      }
    },
  },
  {
    line: 24,
    what: '`trained_tokens` is the tokens of the file times epochs',
    clients: ['node-7'],
    run: async (context) => {
      const one = (await train(context, { epochs: 1 })).job.trained_tokens!;
      const two = (await train(context, { epochs: 2 })).job.trained_tokens!;
      assert.equal(two, 2 * one);
      // The tokens of the same text as a prompt; a row may have a token more at its end.
      const { prompt, completion } = { prompt: 'Tim saw 3 things ->', completion: ' red balls' };
      const rows = Array.from({ length: 10 }, () => ({ prompt, completion }));
      const training_file = await context.made.upload('same.jsonl', rows, 'fine-tune');
      const { trained_tokens } = (await train(context, { epochs: 1, training_file })).job;
      const { json } = await post(`${context.base}/completions`, {
        model: TINY,
        prompt: prompt + completion,
        max_tokens: 0,
        echo: true,
      });
      const more = trained_tokens! / 10 - json.usage.prompt_tokens;
      assert.ok(
        [0, 1].includes(more),
        `${trained_tokens} tokens of 10 × ${json.usage.prompt_tokens}`,
      );
    },
  },
  {
    line: 35,
    what: 'a killed server keeps files, jobs and events, and a running job goes on',
    clients: ['node-7'],
    run: async ({ client, made, server }) => {
      const { jobs } = client.fineTuning;
      const { id } = await jobs.create({
        model: TINY,
        training_file: made.file,
        method: {
          type: 'supervised',
          supervised: { hyperparameters: { n_epochs: 40, batch_size: 2 } },
        },
      });
      await until(() => jobs.retrieve(id), ['running']);
      const before = (await jobs.listEvents(made.job, { limit: 100 })).data.map(
        (event) => event.id,
      );
      await server.killAndRestart();
      const after = (await jobs.listEvents(made.job, { limit: 100 })).data.map((event) => event.id);
      assert.deepEqual(after, before);
      assert.equal((await client.files.retrieve(made.file)).id, made.file);
      const job = await until(() => jobs.retrieve(id), ENDED);
      assert.equal(job.status, 'succeeded', JSON.stringify(job.error));
    },
  },
];

type Wanted = { seed?: number; suffix?: string; epochs?: number; training_file?: string };

/** A finished job of the tiny model and its result file. */
async function train({ client, made }: Context, wanted: Wanted) {
  const { epochs = 1, training_file = made.file, ...rest } = wanted;
  const { id } = await client.fineTuning.jobs.create({
    model: TINY,
    training_file,
    seed: 1,
    ...rest,
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { n_epochs: epochs, batch_size: 4 } },
    },
  });
  const job = await until(() => client.fineTuning.jobs.retrieve(id), ENDED);
  assert.equal(job.status, 'succeeded', JSON.stringify(job.error));
  const csv = await (await client.files.content(job.result_files[0]!)).text();
  return { job, csv };
}
