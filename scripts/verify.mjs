// `npm run verify`: installs, checks format, types, unused code and the build, and runs the tests.
// Every step runs whatever the others did; the last line is always `N passed, N failed`, where each
// check counts as one. `--full` (npm run test:full) adds the tests that take minutes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environment, ROOT, SetupError, setUp } from './setup.mjs';

const full = process.argv.includes('--full');
const scratch = mkdtempSync(join(tmpdir(), 'tunery-verify-'));
let passed = 0;
let failed = 0;
let skipped = 0;

try {
  const node = setUp();
  check('format and lint', ['@biomejs/biome/bin/biome', 'ci', '.']);
  check('types', ['typescript/bin/tsc']);
  check('unused code', ['knip/bin/knip.js']);
  check('build', [
    'typescript/bin/tsc',
    '-p',
    'tsconfig.build.json',
    '--outDir',
    join(scratch, 'dist'),
  ]);
  test();

  function check(title, [script, ...args]) {
    process.stdout.write(`\n# ${title}\n`);
    const { status } = runNode(node, [join(ROOT, 'node_modules', script), ...args]);
    count(status === 0);
    process.stdout.write(`# ${title}: ${status === 0 ? 'passed' : 'FAILED'}\n`);
  }

  function test() {
    process.stdout.write(`\n# tests${full ? ', with the slow ones' : ''}\n`);
    const report = join(scratch, 'vitest.json');
    const { status } = runNode(
      node,
      [
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile=${report}`,
      ],
      full ? { TUNERY_FULL: '1' } : {},
    );
    const result = readReport(report);
    passed += result.numPassedTests;
    failed += result.numFailedTests;
    skipped += result.numPendingTests + result.numTodoTests;
    // A file that does not load, or an error outside any test, fails the run without a failed test.
    if (status !== 0 && result.numFailedTests === 0) count(false);
  }
} catch (error) {
  const message = error instanceof SetupError ? error.message : (error?.stack ?? String(error));
  process.stdout.write(`${message}\n`);
  failed += 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
  if (skipped > 0) process.stdout.write(`\n${skipped} tests skipped; their names say why\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
}

function count(good) {
  if (good) passed += 1;
  else failed += 1;
}

function runNode(node, args, extra = {}) {
  // Both streams on stdout, so that the closing line stays the last one of the two together.
  return spawnSync(node, args, { cwd: ROOT, stdio: ['ignore', 1, 1], env: environment(extra) });
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  }
}
