// `tunery tools fine_tunes.prepare_data` beside the original: thirty tables on which fixtures/prepare/
// make.py ran openai-python 0.28.1 say the same, ask the same and give the same rows.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

const LEGACY = 'test/fixtures/prepare/legacy';
const folder = mkdtempSync(join(tmpdir(), 'tunery-legacy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(readdirSync(LEGACY))('%s: the same questions, rows and files', async (name) => {
  const kept = join(LEGACY, name);
  const here = join(folder, name);
  cpSync(kept, here, { recursive: true });
  for (const other of ['written', 'transcript', 'answers', 'error'])
    rmSync(join(here, other), { recursive: true, force: true });
  const before = readdirSync(here);
  const input = before.find((file) => !file.includes('_prepared'))!;
  const answers = readFileSync(join(kept, 'answers'), 'utf8').trim();
  const quiet = answers === '-q';
  const args = ['tools', 'fine_tunes.prepare_data', '-f', join(here, input)];
  const ran = await runCli(quiet ? [...args, '-q'] : args, {
    input: quiet ? '' : [...answers].map((answer) => `${answer}\n`).join(''),
  });

  const failed = existsSync(join(kept, 'error'));
  expect(ran.code).toBe(failed ? 1 : 0);
  const said = lines(ran.out.replaceAll(`${here}/`, ''));
  expect(said).toEqual(lines(readFileSync(join(kept, 'transcript'), 'utf8')));
  if (failed) {
    const wanted = plain(readFileSync(join(kept, 'error'), 'utf8'))
      .trim()
      .split('\n')[0]!;
    expect(plain(ran.err)).toContain(wanted.replace(/, then retry.*/, ''));
  }
  const written = existsSync(join(kept, 'written')) ? readdirSync(join(kept, 'written')) : [];
  const now = readdirSync(here).filter((file) => !before.includes(file));
  expect(now.sort()).toEqual(written.sort());
  const rows = (at: string) => written.map((file) => jsonLines(join(at, file)));
  const [ours, theirs] = [rows(here), rows(join(kept, 'written'))];
  expect(ours.map(({ length }) => length)).toEqual(theirs.map(({ length }) => length));
  // Which rows of a class are held out differs: ours are drawn from every class.
  if (written.length === 2) expect(ours.flat().sort()).toEqual(theirs.flat().sort());
  else expect(ours).toEqual(theirs);
});

const jsonLines = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { prompt, completion } = JSON.parse(line) as Record<string, unknown>;
      return JSON.stringify({ prompt, completion });
    });

/** What both say, a line for each finding and question; what only one of them says is left out. */
function lines(transcript: string): string[] {
  return plain(transcript)
    .replaceAll('[Y/n]: Y', '[Y/n]: ')
    .replace(/\[Y\/n\]: */g, '[Y/n]\n')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !ONLY_ONE.some((pattern) => pattern.test(line)));
}

const ONLY_ONE = [
  // Theirs: prices, queues and models of 2023.
  /^Once your model starts training/,
  /we recommend you try one of/,
  /examples shouldn't be longer than/,
  // Theirs, for every additional column whatever its name.
  /WARNING: Some of the additional columns/,
  // Ours.
  /text \(detected; --encoding overrides it\)/,
  /^To see tokens, time and memory/,
  /^Rows: /,
];

const plain = (text: string) =>
  text
    .replaceAll('’', "'")
    .replace(/ See https:\S+( for more details?( and examples)?)?\.?/g, '')
    .replace(/> openai api/g, '> tunery api')
    .replace(/WARNING: Reading only the .*/g, 'WARNING')
    .replace(/\. Without it every request is \d+ characters shorter/g, '')
    .replaceAll('suffix `\n`', 'suffix `\\n`')
    .replace(/\.? These are rows: \[[^\]]*\]$/gm, '');
