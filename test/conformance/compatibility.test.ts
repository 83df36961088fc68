import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMPATIBILITY_FILE, compatibility } from './compatibility.ts';
import { readResults } from './results.ts';

test('COMPATIBILITY.md is what the recorded run and table.md give', () => {
  const page = readFileSync(COMPATIBILITY_FILE, 'utf8');
  expect(page, 'run `npm run conformance -- --only page`').toBe(compatibility(readResults()));
  for (const [, path] of page.matchAll(/\[our tests\]\(([^)]+)\)/g))
    expect(existsSync(path!), path).toBe(true);
});
