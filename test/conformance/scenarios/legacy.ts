// Lines on clients of 2021 to 2023: Python 0.28.1, its library and its command line.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program } from '../../program.ts';
import { pairs } from '../made.ts';
import { TINY } from '../server.ts';
import { type Context, chunksOf, Missing, post, type Scenario } from './scenario.ts';

export const LEGACY: readonly Scenario[] = [
  {
    line: 5,
    what: '`openai api fine_tunes.create` from file to model',
    clients: ['python-0.28'],
    run: async (context) => {
      const { code, out, err } = await create(context, 8, '--n_epochs', '1').ended();
      assert.equal(code, 0, err);
      assert.match(out, /Job complete! Status: succeeded/);
    },
  },
  {
    line: 6,
    what: 'following twice tells all events both times, and ends',
    clients: ['python-0.28'],
    run: async (context) => {
      const id = await fineTune(context);
      const first = await told(openai(context, 'fine_tunes.follow', '-i', id));
      assert.match(first, /Created fine-tune: /);
      assert.match(first, /Fine-tune succeeded/);
      assert.equal(await told(openai(context, 'fine_tunes.follow', '-i', id)), first);
    },
  },
  {
    line: 7,
    what: '`fine_tunes.results` has the header of that time',
    clients: ['python-0.28'],
    run: async (context) => {
      const csv = await told(openai(context, 'fine_tunes.results', '-i', await fineTune(context)));
      assert.equal(
        csv.split('\n')[0],
        'step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,training_token_accuracy',
      );
    },
  },
  {
    line: 8,
    what: 'no chunk of a stream has a key `error`',
    clients: ['http', 'python-0.28'],
    run: async ({ base }) => {
      for (const [path, body] of [
        ['completions', { prompt: 'Tim' }],
        ['chat/completions', { messages: [{ role: 'user', content: 'Hi' }] }],
      ] as const) {
        const { chunks, done } = await chunksOf(`${base}/${path}`, {
          ...body,
          model: TINY,
          max_tokens: 4,
        });
        assert.ok(done && chunks.length > 1, path);
        for (const chunk of chunks) assert.ok(!('error' in chunk), path);
      }
    },
  },
  {
    line: 9,
    what: 'null for each optional field, as the old command line sends',
    clients: ['http', 'python-0.28'],
    run: async ({ base }) => {
      const nulls = { n: null, logprobs: null, stop: null, temperature: null, top_p: null };
      const { status, json } = await post(`${base}/completions`, {
        ...nulls,
        model: 'ada',
        prompt: 'Tim',
        max_tokens: null,
      });
      assert.equal(status, 200, JSON.stringify(json));
    },
  },
  {
    line: 10,
    what: '`/engines/{model}/completions` with `model` null',
    clients: ['http', 'python-0.28'],
    run: async ({ base }) => {
      const body = { model: null, prompt: 'Tim', max_tokens: 2 };
      const { status, json } = await post(`${base}/engines/ada/completions`, body);
      assert.equal(status, 200, JSON.stringify(json));
      assert.equal(json.object, 'text_completion');
    },
  },
  {
    line: 36,
    what: 'Ctrl-C while following leaves the fine-tune running',
    clients: ['python-0.28'],
    run: async (context) => {
      const created = create(context, 300, '--n_epochs', '50', '--batch_size', '1');
      await created.says(/Fine-tune started/);
      created.process.kill('SIGINT');
      const { code, out } = await created.ended();
      assert.equal(code, 0);
      assert.match(out, /Stream interrupted. Job is still running/);
      const id = /ft-\w{24}/.exec(out)![0];
      const got = JSON.parse(await told(openai(context, 'fine_tunes.get', '-i', id)));
      assert.equal(got.status, 'running');
      await told(openai(context, 'fine_tunes.cancel', '-i', id));
    },
  },
];

const MAIN = 'import sys; from openai._openai_scripts import main; sys.exit(main())';

function openai({ python, base }: Context, ...args: string[]): Program {
  if (python === null) throw new Missing('no Python with openai 0.28.1');
  const env = { OPENAI_API_BASE: base, OPENAI_API_KEY: 'sk-test', PYTHONIOENCODING: 'utf-8' };
  return python.run(['-c', MAIN, 'api', ...args], { env, input: '' });
}

/** Uploads a file of its own, creates, follows. */
function create(context: Context, rows: number, ...flags: string[]): Program {
  return openai(context, 'fine_tunes.create', '-t', pathOf(context, rows), '-m', 'ada', ...flags);
}

const pathOf = ({ server }: Context, rows: number) => join(server.directory, `pairs-${rows}.jsonl`);

export async function writeLegacyFiles(context: Context): Promise<void> {
  for (const rows of [8, 300]) {
    const lines = pairs(rows).map((row) => `${JSON.stringify(row)}\n`);
    await writeFile(pathOf(context, rows), lines.join(''));
  }
}

async function told(program: Program): Promise<string> {
  const { code, out, err } = await program.ended();
  assert.equal(code, 0, err);
  return out;
}

let known: string | undefined;
/** One that has succeeded, made by the first line that needs it. */
async function fineTune(context: Context): Promise<string> {
  if (known !== undefined) return known;
  const { code, out, err } = await create(context, 8, '--n_epochs', '1').ended();
  assert.equal(code, 0, err);
  known = /ft-\w{24}/.exec(out)![0];
  return known;
}
