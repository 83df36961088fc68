// Runs the tests that fields.md names, and finds each of them in what vitest reports.
import { resolve } from 'node:path';
import { type ShownTest, shownFields } from './fields.ts';
import { vitest } from './sdk-tests.ts';

/** `skipped`: not run, here or anywhere in this run; it shows nothing. */
export type FieldTest = ShownTest & { readonly state: 'passed' | 'failed' | 'skipped' };

export async function runFieldTests(): Promise<FieldTest[]> {
  const named = new Map<string, ShownTest>();
  for (const test of shownFields().flatMap(({ tests }) => tests))
    named.set(`${test.file}: ${test.title}`, test);
  const tests = [...named.values()];
  const report = await vitest(resolve('.'), [...new Set(tests.map(({ file }) => file))].sort());
  return tests.map((test) => {
    const ran = report
      .filter(({ name }) => name.endsWith(`/${test.file}`))
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ title }) => patternOf(test.title).test(title))
      .map(({ status }) => status);
    const state = ran.includes('failed') ? 'failed' : ran.includes('passed') ? 'passed' : 'skipped';
    return { ...test, state };
  });
}

/** A title of `test.each` as it is in the source stands for every title that it makes. */
const patternOf = (title: string) =>
  new RegExp(
    `^${title.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll(/%[sdijo]/g, '[\\s\\S]*')}$`,
  );
