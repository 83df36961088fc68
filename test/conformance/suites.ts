// The official SDKs' own tests of our resources, as this repository keeps them: unmodified, packed into
// one file by collect.ts.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

export type Suite = {
  readonly name: 'openai-node' | 'openai-python';
  readonly version: string;
  readonly commit: string;
  readonly files: Readonly<Record<string, string>>;
};

export const SUITES_FILE = fileURLToPath(new URL('suites.json.br', import.meta.url));

export function readSuite(name: Suite['name']): Suite {
  const suites: Suite[] = JSON.parse(brotliDecompressSync(readFileSync(SUITES_FILE)).toString());
  return suites.find((suite) => suite.name === name)!;
}

/** Under node_modules, so that `import 'openai'` finds the installed package. */
export function unpack(suite: Suite): string {
  const folder = resolve('node_modules', '.cache', 'conformance', suite.name);
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of Object.entries(suite.files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
