// `tunery api …` takes the lines of the legacy command line as they stand in its guides.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { script } from '../program.ts';
import { labelled, pairs, startTinyServer, type TinyServer } from './tiny-server.ts';

// Children of two languages on a machine that may have more to do.
vi.setConfig({ testTimeout: 180_000 });

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server.close());

const start = (...args: string[]) =>
  script('tunery', ['api', ...args], { env: { TUNERY_BASE_URL: server.base } });

async function api(...args: string[]) {
  const { code, out, err } = await start(...args).ended();
  expect(code, `${args.join(' ')}\n${out}\n${err}`).toBe(0);
  return { out, err };
}

test('the line that prepare_data prints trains a classifier; its results are read with -i', async () => {
  const train = await server.write('sport_train.jsonl', labelled(12));
  const valid = await server.write('sport_valid.jsonl', labelled(6));
  const flags = ['--compute_classification_metrics', '--classification_positive_class', ' a'];
  const betas = ['--classification_betas', '0.5', '1', '2'];
  const more = [...betas, '--n_epochs', '1', '--batch_size', '4', '--prompt_loss_weight', '0.1'];
  const { out, err } = await api('fine_tunes.create', '-t', train, '-v', valid, ...flags, ...more);
  expect(err).toContain(`Uploaded file from ${train}: file-`);
  expect(out).toMatch(/Created fine-tune: (ft-\w{24})\nStreaming events/);
  expect(out).toMatch(/^\[[^\]]+\] Completed epoch 1\/1$/m);
  expect(out).toMatch(/completions\.create -m curie:ft-tunery-\d{4}(-\d\d){5} -p/);
  const [id] = /ft-\w{24}/.exec(out)!;
  const got = JSON.parse((await api('fine_tunes.get', '-i', id)).out);
  expect(got.hyperparams).toMatchObject({
    n_epochs: 1,
    batch_size: 4,
    prompt_loss_weight: 0.1,
    classification_positive_class: ' a',
    classification_betas: [0.5, 1, 2],
  });
  const { out: results } = await api('fine_tunes.results', '-i', id);
  expect(results).toMatch(/^step,.*(,classification\/f\d\.\d){3}\n/);
  const said = await api('completions.create', '-m', got.fine_tuned_model, '-p', 'Tim', '-M', '3');
  expect(said.out).toMatch(/^Tim/);
  const again = await api('fine_tunes.create', '-t', train, '--no_follow', '--suffix', 'x');
  const unasked = ['--no_check_if_files_exist', '--no_follow'];
  expect((await api('fine_tunes.create', '-t', train, ...unasked)).err).not.toContain('already');
  expect(again.err).toContain('is there already: file-');
  const [second] = /ft-\w{24}/.exec(again.out)!;
  expect(JSON.parse((await api('fine_tunes.cancel', '-i', second)).out).status).toBe('cancelled');
  expect((await api('fine_tunes.list')).out).toContain(second);
  expect(JSON.parse((await api('fine_tunes.delete', '-i', second)).out).deleted).toBe(true);
  const { out: deleted } = await api('models.delete', '-i', got.fine_tuned_model);
  expect(JSON.parse(deleted)).toMatchObject({ deleted: true });
});

test('what the server refuses is told and ends with 1', async () => {
  const file = await server.write('pairs.jsonl', pairs(3));
  const flags = ['--compute_classification_metrics', '--classification_n_classes', '2'];
  const { code, err } = await start('fine_tunes.create', '-t', file, ...flags).ended();
  expect(code).toBe(1);
  expect(err).toMatch(/compute_classification_metrics.*validation_file/);
});

test.skipIf(process.platform === 'win32')('Ctrl-C tells how to go on; the job runs', async () => {
  const file = await server.write('long.jsonl', pairs(200));
  const program = start('fine_tunes.create', '-t', file, '-m', 'ada', '--n_epochs', '50');
  await program.says(/Fine-tune started/);
  program.process.kill('SIGINT');
  const { code, err } = await program.ended();
  expect(code).toBe(130);
  const [, id] = /Job is still running[\s\S]*fine_tunes\.follow -i (ft-\w{24})/.exec(err)!;
  expect(JSON.parse((await api('fine_tunes.get', '-i', id!)).out).status).toBe('running');
  await api('fine_tunes.cancel', '-i', id!);
});
