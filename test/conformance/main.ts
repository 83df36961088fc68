// `npm run conformance`: a real server, the official SDKs' own tests, the lines of the checklist; then
// results.json and COMPATIBILITY.md. With `--only` parts of it, and nothing is written;
// `--only page` writes COMPATIBILITY.md anew from the recorded results.
import { writeFileSync } from 'node:fs';
import OpenAI from 'openai';
import { pythonWithOpenai } from '../clients/python.ts';
import { COMPATIBILITY_FILE, compatibility } from './compatibility.ts';
import { runFieldTests } from './field-tests.ts';
import { type Made, make } from './made.ts';
import {
  counted,
  type LineResult,
  type Results,
  readResults,
  type SuiteResult,
  writeResults,
} from './results.ts';
import { FILES } from './scenarios/files.ts';
import { INFERENCE } from './scenarios/inference.ts';
import { JOBS } from './scenarios/jobs.ts';
import { LEGACY, writeLegacyFiles } from './scenarios/legacy.ts';
import { type Context, Missing, type Scenario } from './scenarios/scenario.ts';
import { runClientTests, runNodeTests, runPythonTests } from './sdk-tests.ts';
import { startTestServer, type TestServer, TINY } from './server.ts';
import { standIn } from './stand-in.ts';

const SCENARIOS = [...FILES, ...LEGACY, ...JOBS, ...INFERENCE].sort((a, b) => a.line - b.line);
const SUITES = { 'openai-node': runNodeTests, 'openai-python': runPythonTests };
const NAMES = [
  'page',
  'clients',
  'fields',
  'checklist',
  ...SCENARIOS.map(({ line }) => `line-${line}`),
  ...Object.keys(SUITES),
];

type Flags = { readonly only?: string; readonly json?: string };

/** Whether everything passed that is not a listed exception. */
export async function run({ only, json }: Flags): Promise<boolean> {
  if (only !== undefined && !NAMES.includes(only))
    throw new RangeError(`--only ${only}: what is that? One of ${NAMES.join(', ')}`);
  if (only === 'page') {
    writeFileSync(COMPATIBILITY_FILE, compatibility(readResults()));
    return true;
  }
  const wanted = (name: string) => only === undefined || only === name;
  const server = await startTestServer();
  try {
    const made = await make(server.url());
    const context = await contextOf(server, made);
    const suites: SuiteResult[] = [];
    for (const [name, runTests] of Object.entries(SUITES))
      if (wanted(name)) suites.push(...(await suiteOf(server, made, runTests)));
    const clients = wanted('clients') ? await runClientTests() : [];
    for (const { file, passed, total, failures } of clients)
      say([`${file}: ${passed} of ${total}`, ...failures].join('\n  FAILED '));
    const fields = wanted('fields') ? await runFieldTests() : [];
    const unshown = fields.filter(({ state }) => state !== 'passed');
    if (wanted('fields'))
      say(`tests of fields: ${fields.length - unshown.length} of ${fields.length}`);
    for (const { file, title, state } of unshown) say(`  ${state.toUpperCase()} ${file}: ${title}`);
    const lines: LineResult[] = [];
    for (const scenario of SCENARIOS)
      if (wanted('checklist') || only === `line-${scenario.line}`)
        lines.push(await lineOf(scenario, context));
    const results: Results = { models: context.models, lines, suites, clients, fields };
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
    if (only === undefined) {
      writeResults(results);
      writeFileSync(COMPATIBILITY_FILE, compatibility(results));
    }
    const unexplained = suites.flatMap(({ resources }) =>
      Object.values(resources).flatMap((count) => count.unexplained),
    );
    return (
      unexplained.length === 0 &&
      unshown.length === 0 &&
      lines.every(({ state }) => state !== 'failed') &&
      clients.every(({ passed, total }) => passed === total)
    );
  } finally {
    await server.close();
  }
}

async function contextOf(server: TestServer, made: Made): Promise<Context> {
  const base = `${server.url()}/v1`;
  const client = new OpenAI({ apiKey: 'sk-test', baseURL: base, maxRetries: 0 });
  const models: string[] = [];
  for await (const { id } of client.models.list())
    if (!id.startsWith('ft:') && !id.startsWith('gpt-')) models.push(id);
  models.sort((a, b) => Number(b === TINY) - Number(a === TINY));
  const context = { server, made, base, client, models, python: await pythonWithOpenai('0.28.1') };
  await writeLegacyFiles(context);
  return context;
}

async function suiteOf(
  server: TestServer,
  made: Made,
  runTests: (typeof SUITES)[keyof typeof SUITES],
): Promise<SuiteResult[]> {
  const between = await standIn(server.url(), made);
  try {
    const run = await runTests(between.url);
    if (run === null) return [];
    const result = counted(run);
    for (const [resource, { passed, total, unexplained }] of Object.entries(result.resources)) {
      say(`${run.suite} ${run.version} ${resource}: ${passed} of ${total}`);
      for (const one of unexplained) say(`  FAILED ${one}`);
    }
    return [result];
  } finally {
    between.close();
  }
}

async function lineOf(scenario: Scenario, context: Context): Promise<LineResult> {
  const { line, what, clients } = scenario;
  try {
    await scenario.run(context);
    say(`${line} ${what}: passed`);
    return { line, what, clients, state: 'passed' };
  } catch (error) {
    const state = error instanceof Missing ? 'skipped' : 'failed';
    const reason = String((error as Error).message).split('\n')[0]!;
    say(`${line} ${what}: ${state.toUpperCase()} ${(error as Error).stack ?? error}`);
    return { line, what, clients, state, reason };
  }
}

const say = (text: string) => process.stdout.write(`${text}\n`);
