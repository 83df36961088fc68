// What a run found, as it is recorded in results.json, from which COMPATIBILITY.md is written.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { reasonOf } from './exceptions.ts';
import type { FieldTest } from './field-tests.ts';
import type { Client } from './scenarios/scenario.ts';
import type { ClientTests, SuiteRun } from './sdk-tests.ts';

export type LineResult = {
  readonly line: number;
  readonly what: string;
  readonly clients: readonly Client[];
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly reason?: string;
};
type Count = {
  readonly passed: number;
  readonly total: number;
  /** Reasons with the number of tests that they explain. */
  readonly exceptions: Readonly<Record<string, number>>;
  readonly unexplained: readonly string[];
};
export type SuiteResult = {
  readonly suite: string;
  readonly version: string;
  readonly commit: string;
  readonly resources: Readonly<Record<string, Count>>;
};
export type Results = {
  readonly models: readonly string[];
  readonly lines: readonly LineResult[];
  readonly suites: readonly SuiteResult[];
  readonly clients: readonly ClientTests[];
  /** Each test that fields.md names. */
  readonly fields: readonly FieldTest[];
};

const FILE = fileURLToPath(new URL('results.json', import.meta.url));

export const readResults = (): Results => JSON.parse(readFileSync(FILE, 'utf8')) as Results;
export const writeResults = (results: Results): void =>
  writeFileSync(FILE, `${JSON.stringify(results, null, 2)}\n`);

export function counted(run: SuiteRun): SuiteResult {
  const names = [...new Set(run.tests.map(({ resource }) => resource))].sort();
  const count = (resource: string): Count => {
    // What the suite skips by itself counts for nothing.
    const tests = run.tests.filter(
      (test) => test.resource === resource && test.state !== 'skipped',
    );
    const failed = tests.filter(({ state }) => state === 'failed');
    const exceptions: Record<string, number> = {};
    const unexplained: string[] = [];
    for (const test of failed) {
      const reason = reasonOf(test);
      if (reason === null) unexplained.push(`${test.name}: ${test.reason}`);
      else exceptions[reason] = (exceptions[reason] ?? 0) + 1;
    }
    return { passed: tests.length - failed.length, total: tests.length, exceptions, unexplained };
  };
  return {
    suite: run.suite,
    version: run.version,
    commit: run.commit,
    resources: Object.fromEntries(names.map((name) => [name, count(name)])),
  };
}
