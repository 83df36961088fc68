// The last Python package of the older API, unmodified: its library and its `openai api …` command line,
// with nothing set but the address and a key.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { pythonWithOpenai } from './python.ts';
import { labelled, pairs, startTinyServer, type TinyServer } from './tiny-server.ts';

// Children of two languages on a machine that may have more to do.
vi.setConfig({ testTimeout: 180_000 });

const python = await pythonWithOpenai('0.28.1');
let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server.close());

// The package's own entry point, once for each command line: starting Python takes longer than a call.
const RUN = `
import contextlib, io, json, sys
from openai._openai_scripts import main
def run(args):
    sys.argv = ["openai", "api", *args]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main()
    return {"code": code or 0, "out": out.getvalue()}
print(json.dumps([run(args) for args in json.loads(sys.argv[1])]))
`;
const ONE = 'import sys; from openai._openai_scripts import main; sys.exit(main())';

const start = (args: readonly string[]) =>
  python!.run(args, {
    env: { OPENAI_API_BASE: server.base, OPENAI_API_KEY: 'sk-test', PYTHONIOENCODING: 'utf-8' },
    input: '', // a question on standard input gets an empty line
  });

/** `openai api …` */
const openai = (...args: string[]) => start(['-c', ONE, 'api', ...args]);

/** What each of the command lines prints; all must succeed. */
async function api(...lines: string[][]): Promise<string[]> {
  const { code, out, err } = await start(['-c', RUN, JSON.stringify(lines)]).ended();
  expect(code, err).toBe(0);
  const results: { code: number; out: string }[] = JSON.parse(out);
  for (const [i, result] of results.entries()) expect(result.code, `${lines[i]}: ${err}`).toBe(0);
  return results.map((result) => result.out);
}

let id: string;
let model: string;

test.skipIf(!python)(
  'fine_tunes.create uploads a file, follows, and ends with the model',
  async () => {
    const file = await server.write('pairs.jsonl', pairs(8));
    const create = ['fine_tunes.create', '-t', file, '-m', 'ada', '--suffix', 'My  Balls!'];
    const { code, out, err } = await openai(...create, '--n_epochs', '2').ended();
    expect(code, err).toBe(0);
    id = /Created fine-tune: (ft-\w{24})\n/.exec(out)![1]!;
    model = /completions\.create -m (\S+) -p/.exec(out)![1]!;
    expect(model).toMatch(/^ada:ft-tunery:my-balls-\d{4}(-\d\d){5}$/);
    expect(out).toContain('Job complete! Status: succeeded');
    const events = [...out.matchAll(/^\[\d{4}-[^\]]+\] (.*)$/gm)].map(([, text]) => text);
    expect(events).toEqual([
      `Created fine-tune: ${id}`,
      'Fine-tune enqueued. Queue number: 0',
      'Fine-tune started',
      'Completed epoch 1/2',
      'Completed epoch 2/2',
      `Uploaded model: ${model}`,
      expect.stringMatching(/^Uploaded result file: file-\w+$/),
      'Fine-tune succeeded',
    ]);
    const [again, twice] = await api(
      ['fine_tunes.follow', '-i', id],
      ['fine_tunes.follow', '-i', id],
    );
    expect(twice).toBe(again);
    for (const event of events) expect(again).toContain(event);
  },
);

test.skipIf(!python)('every other command about it', async () => {
  const prompt = 'Tim saw 3 things ->';
  const rows = await server.write('more rows.jsonl', pairs(3));
  const short = ['-M', '3'];
  const [list, get, events, results, said, , , , , , found, models, engines, engine, , file] =
    await api(
      ['fine_tunes.list'],
      ['fine_tunes.get', '-i', id],
      ['fine_tunes.events', '-i', id],
      ['fine_tunes.results', '-i', id],
      ['completions.create', '-m', model, '-p', prompt],
      ['completions.create', '-m', model, '-p', prompt, '--stream', ...short],
      ['completions.create', '-e', 'curie', '-p', prompt, ...short],
      ['chat_completions.create', '-m', 'gpt-3.5-turbo', '-g', 'user', 'Hi', ...short],
      ['chat_completions.create', '-m', 'gpt-4o-mini', '-g', 'user', 'Hi', '--stream', ...short],
      ['chat_completions.create', '-e', model, '-g', 'user', 'Hi', ...short],
      ['models.get', '-i', model],
      ['models.list'],
      ['engines.list'],
      ['engines.get', '-i', 'ada'],
      ['engines.update', '-i', 'ada', '-r', '1'],
      ['files.create', '-f', rows, '-p', 'fine-tune'],
    );
  const { data } = JSON.parse(list!);
  expect(data[0].id).toBe(id);
  expect(data[0]).not.toHaveProperty('events');
  expect(JSON.parse(get!)).toMatchObject({
    object: 'fine-tune',
    status: 'succeeded',
    model: 'ada',
    fine_tuned_model: model,
    hyperparams: { n_epochs: 2, batch_size: 1, prompt_loss_weight: 0.01 },
    training_files: [{ object: 'file', filename: 'pairs.jsonl', status: 'processed' }],
  });
  expect(JSON.parse(events!).data).toHaveLength(8);
  const [header, ...lines] = results!.trim().split('\n');
  expect(header).toBe(
    'step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,training_token_accuracy',
  );
  expect(lines).toHaveLength(16);
  expect(said).toContain(prompt);
  expect(found).toContain(model);
  expect(models).toContain(model);
  expect(engines).toContain('"davinci"');
  expect(engine).toContain('"ready": true');
  const uploaded = JSON.parse(file!);
  expect(uploaded).toMatchObject({ filename: 'more rows.jsonl', status: 'processed' });
  const [files, , deleted] = await api(
    ['files.list'],
    ['files.get', '-i', uploaded.id],
    ['files.delete', '-i', uploaded.id],
  );
  expect(files).toContain(uploaded.id);
  expect(deleted).toContain('"deleted": true');
});

test.skipIf(!python)(
  'classification metrics by the line that prepare_data prints, and a second job that waits and is cancelled',
  async () => {
    const train = await server.write('sport_train.jsonl', labelled(20));
    const valid = await server.write('sport_valid.jsonl', labelled(9));
    const files = ['-t', train, '-v', valid, '-m', 'ada'];
    const flags = ['--compute_classification_metrics', '--classification_positive_class', ' a'];
    const [created, other] = await api(
      ['fine_tunes.create', ...files, ...flags, '--no_follow'],
      ['fine_tunes.create', '-t', train, '-m', 'ada', '--no_follow'],
    );
    expect(other).toContain("Found potentially duplicated files with name 'sport_train.jsonl'");
    const ids = [created, other].map((text) => /ft-\w{24}/.exec(text!)![0]);
    const [cancelled, , results] = await api(
      ['fine_tunes.cancel', '-i', ids[1]!],
      ['fine_tunes.follow', '-i', ids[0]!],
      ['fine_tunes.results', '-i', ids[0]!],
    );
    expect(JSON.parse(cancelled!).status).toBe('cancelled');
    expect(JSON.parse(cancelled!).events.at(-1).message).toBe('Fine-tune cancelled');
    const [header, ...lines] = results!
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    expect(header!.slice(6)).toEqual([
      'validation_loss',
      'validation_sequence_accuracy',
      'validation_token_accuracy',
      ...['accuracy', 'precision', 'recall', 'auroc', 'auprc', 'f1.0'].map(
        (name) => `classification/${name}`,
      ),
    ]);
    const scored = lines.filter((cells) => cells[9] !== '');
    expect(scored.map(([step]) => step)).toEqual(['20', '40', '60', '80']);
    for (const cell of scored.at(-1)!.slice(9)) {
      expect(Number(cell)).toBeGreaterThanOrEqual(0);
      expect(Number(cell)).toBeLessThanOrEqual(1);
    }
  },
);

test.skipIf(!python || process.platform === 'win32')(
  'Ctrl-C leaves the job running; it can be got, and cancelled; jobs of today beside it',
  async () => {
    const file = await server.write('long.jsonl', pairs(300));
    const flags = ['--n_epochs', '50', '--batch_size', '1'];
    const created = openai('fine_tunes.create', '-t', file, '-m', 'ada', ...flags);
    await created.says(/Fine-tune started/);
    created.process.kill('SIGINT');
    const { code, out } = await created.ended();
    expect(code).toBe(0);
    expect(out).toMatch(/Stream interrupted. Job is still running/);
    const running = /ft-\w{24}/.exec(out)![0];
    const create = ['fine_tuning.job.create', '-t', file, '-m', 'babbage-002', '--n_epochs', '1'];
    const [got, made, jobs, fineTunes, cancelled] = await api(
      ['fine_tunes.get', '-i', running],
      create,
      ['fine_tuning.job.list'],
      ['fine_tunes.list'],
      ['fine_tunes.cancel', '-i', running],
    );
    expect(JSON.parse(got!).status).toBe('running');
    const job = JSON.parse(made!.slice(made!.lastIndexOf('\n{\n') + 1 || made!.indexOf('{\n')));
    expect(job).toMatchObject({ object: 'fine_tuning.job', model: 'babbage-002' });
    expect(jobs).toContain(job.id);
    expect(jobs).not.toContain(running);
    expect(fineTunes).not.toContain(job.id);
    expect(JSON.parse(cancelled!).status).toBe('cancelled');
    const [again, , ended] = await api(
      ['fine_tuning.job.get', '-i', job.id],
      ['fine_tuning.job.events', '-i', job.id],
      ['fine_tuning.job.cancel', '-i', job.id],
    );
    expect(JSON.parse(again!).id).toBe(job.id);
    expect(JSON.parse(ended!).status).toBe('cancelled');
  },
);

const LIBRARY = `
import json, openai
f = openai.FineTune.retrieve("ID")
m = f.fine_tuned_model
listed = [e.message for e in openai.FineTune.list_events("ID").data]
streamed = [e["message"] for e in openai.FineTune.stream_events("ID")]
short = {"model": m, "prompt": "Tim saw", "max_tokens": 4, "temperature": 0}
c = openai.Completion.create(**short)
s = "".join(p.choices[0].text for p in openai.Completion.create(**short, stream=True))
e = openai.Completion.create(engine="ada", prompt=["a", "b"], max_tokens=1)
t = openai.ChatCompletion.create(model="gpt-3.5-turbo", messages=[{"role": "user", "content": "Hi"}], max_tokens=3)
v = openai.Embedding.create(model="text-embedding-ada-002", input=["a", "b"])
v2 = openai.Embedding.create(engine="ada", input="a")
missing = []
for call in (lambda: openai.File.retrieve("/tmp/no such.jsonl"), lambda: openai.Model.retrieve("gone")):
    try: call()
    except openai.error.InvalidRequestError as error: missing.append(error.http_status)
print(json.dumps({
    "status": f.status, "same": listed == streamed, "events": len(listed),
    "text": c.choices[0].text, "stream": s, "engine": len(e.choices), "chat": t.choices[0].message.role,
    "vectors": len(v.data), "floats": type(v2.data[0].embedding[0]).__name__,
    "jobs": len(list(openai.FineTuningJob.auto_paging_iter(limit=1))),
    "models": m in [x.id for x in openai.Model.list().data],
    "deleted": openai.FineTune.delete("ID").deleted, "gone": openai.Model.delete(m).deleted,
    "missing": missing,
}))
`;

test.skipIf(!python)('the library: fine-tunes, completions, chat, embeddings, errors', async () => {
  const script = LIBRARY.replaceAll('"ID"', JSON.stringify(id));
  const { code, out, err } = await start(['-c', script]).ended();
  expect(code, err).toBe(0);
  const found = JSON.parse(out);
  expect(found.text).toBe(found.stream);
  expect(found).toMatchObject({
    status: 'succeeded',
    same: true,
    events: 8,
    engine: 2,
    chat: 'assistant',
    vectors: 2,
    floats: 'float',
    jobs: 1,
    models: true,
    deleted: true,
    gone: true,
    missing: [404, 404],
  });
});
