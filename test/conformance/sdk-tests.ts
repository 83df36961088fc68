// Runs the official SDKs' own tests, as they are, against the stand-in.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pythonWith } from '../clients/python.ts';
import { Program } from '../program.ts';
import { readSuite, type Suite, unpack } from './suites.ts';

export type SdkTest = {
  readonly suite: Suite['name'];
  /** `files`, `fine-tuning`, …: one word for both SDKs. */
  readonly resource: string;
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly reason?: string;
};
export type SuiteRun = {
  readonly suite: Suite['name'];
  readonly version: string;
  readonly commit: string;
  readonly tests: readonly SdkTest[];
};

/** The official vitest stands in for jest: both know describe, test and expect. */
export async function runNodeTests(url: string): Promise<SuiteRun> {
  const suite = readSuite('openai-node');
  const folder = unpack(suite);
  const config = join(folder, 'vitest.config.mjs');
  const settings = {
    root: folder,
    include: ['tests/**/*.test.ts'],
    globals: true,
    fileParallelism: false,
    testTimeout: 120_000,
  };
  writeFileSync(config, `export default { test: ${JSON.stringify(settings)} };\n`);
  const testResults = await vitest(folder, ['--config', config], { TEST_API_BASE_URL: url });
  const tests = testResults.flatMap(({ name, assertionResults }) => {
    const path = name.slice(name.indexOf('tests/api-resources/') + 'tests/api-resources/'.length);
    return assertionResults.map(({ title, status, failureMessages }) =>
      testOf(suite, path, title, stateOf(status), failureMessages[0]),
    );
  });
  return { suite: suite.name, version: suite.version, commit: suite.commit, tests };
}

type VitestFile = {
  readonly name: string;
  readonly assertionResults: readonly {
    readonly title: string;
    readonly status: string;
    readonly failureMessages: readonly string[];
  }[];
};

export async function vitest(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<readonly VitestFile[]> {
  const report = resolve('node_modules', '.cache', 'conformance', 'report.json');
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const main = resolve('node_modules/vitest/vitest.mjs');
  const { err, out } = await new Program(
    process.execPath,
    [main, 'run', ...args, '--root', folder, '--reporter=json', `--outputFile=${report}`],
    { env },
  ).ended();
  if (!existsSync(report)) throw new Error(`vitest wrote no report:\n${err || out}`);
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as { testResults: VitestFile[] };
  return testResults;
}

const stateOf = (status: string) =>
  status === 'passed' ? 'passed' : status === 'failed' ? 'failed' : 'skipped';

export async function runPythonTests(url: string): Promise<SuiteRun | null> {
  const suite = readSuite('openai-python');
  const python = await pythonWith('openai-3.54.0-tests', [
    'openai[aiohttp]==3.54.0',
    'pytest==9.2.0',
    'pytest-asyncio==1.5.0',
    'rich==15.0.0',
  ]);
  if (python === null) return null;
  const folder = unpack(suite);
  const ini = join(folder, 'pytest.ini');
  const settings = ['asyncio_mode = auto', 'asyncio_default_fixture_loop_scope = session'];
  writeFileSync(ini, `[pytest]\n${settings.join('\n')}\nfilterwarnings = error\n`);
  const report = join(folder, 'report.xml');
  const args = ['-m', 'pytest', '-q', '-c', ini, '--rootdir', folder, `--junitxml=${report}`];
  const { out, err } = await python
    .run([...args, '-p', 'no:cacheprovider', '--tb=short', join(folder, 'tests')], {
      env: { TEST_API_BASE_URL: url, PYTHONDONTWRITEBYTECODE: '1' },
    })
    .ended();
  if (!existsSync(report)) throw new Error(`pytest wrote no report:\n${err || out}`);
  const cases = readFileSync(report, 'utf8').matchAll(
    /<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  );
  const tests = [...cases].map(([, klass, name, inner = '']) => {
    const path = klass!.replace(/^tests\.api_resources\./, '').replaceAll('.', '/');
    const state = /<(failure|error)/.test(inner)
      ? 'failed'
      : /<skipped/.test(inner)
        ? 'skipped'
        : 'passed';
    const reason = /message="([^"]*)"/.exec(inner)?.[1];
    return testOf(
      suite,
      path,
      `${path.split('/').at(-1)}.${name}`,
      state,
      reason && unescaped(reason),
    );
  });
  return { suite: suite.name, version: suite.version, commit: suite.commit, tests };
}

const unescaped = (text: string) =>
  text
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&#x27;', "'")
    .replaceAll('&amp;', '&');

/** Both SDKs name their test files after the resource. */
function testOf(
  { name: suite }: Suite,
  path: string,
  name: string,
  state: SdkTest['state'],
  reason?: string,
): SdkTest {
  const [first] = path.split('/');
  const resource = path.includes('graders')
    ? 'graders'
    : first!
        .replace(/^test_/, '')
        .replace(/\.test\.ts$/, '')
        .replace('_', '-');
  return {
    suite,
    resource,
    name,
    state,
    ...(state === 'failed' && { reason: reason?.split('\n')[0]?.slice(0, 300) ?? '' }),
  };
}

export type ClientTests = {
  readonly file: string;
  readonly passed: number;
  readonly total: number;
  readonly failures: readonly string[];
};

/** Our own tests through older clients and command lines, each against a server of its own. */
export async function runClientTests(): Promise<ClientTests[]> {
  const results = await vitest(resolve('.'), ['test/clients']);
  return results
    .map(({ name, assertionResults }) => {
      const ran = assertionResults.filter(({ status }) => stateOf(status) !== 'skipped');
      const passed = ran.filter(({ status }) => status === 'passed').length;
      const failures = ran
        .filter(({ status }) => status === 'failed')
        .map(({ title, failureMessages: [why = ''] }) => `${title}: ${why.split('\n')[0]}`);
      const file = name.slice(name.indexOf('test/clients/'));
      return { file, passed, total: ran.length, failures };
    })
    .sort((a, b) => a.file.localeCompare(b.file));
}
