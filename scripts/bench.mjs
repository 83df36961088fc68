// `npm run bench -- NAME [--json] [flags of that bench]`: runs bench/NAME.ts and prints what its
// `run(args)` returns as one JSON object on stdout; everything a bench says goes to stderr.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, runChild, setUpOrExit } from './setup.mjs';

const FOLDER = join(ROOT, 'bench');
const names = readdirSync(FOLDER)
  .filter((file) => /^[a-z-]+\.ts$/.test(file))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();
const [name, ...rest] = process.argv.slice(2);

if (name === undefined || !names.includes(name)) {
  process.stderr.write(`${name === undefined ? 'Which bench?' : `There is no bench "${name}".`}\n`);
  process.stderr.write(
    `npm run bench -- NAME [--json], where NAME is one of: ${names.join(', ')}\n`,
  );
  process.exit(2);
}
const node = setUpOrExit();
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.exitCode = await runChild(node, process.argv.slice(1));
} else {
  const { run } = await import(pathToFileURL(join(FOLDER, `${name}.ts`)).href);
  const result = await run(flags(rest));
  const json = rest.includes('--json') ? JSON.stringify(result) : JSON.stringify(result, null, 2);
  process.stdout.write(`${json}\n`);
}

/** `--rank 8 --json` → { rank: '8', json: true }. */
function flags(words) {
  const found = {};
  for (let i = 0; i < words.length; i++) {
    const name = /^--([a-z0-9-]+)$/.exec(words[i])?.[1];
    if (name === undefined) {
      process.stderr.write(`What is "${words[i]}"? Flags look like --name VALUE.\n`);
      process.exit(2);
    }
    const value = words[i + 1];
    found[name] = value === undefined || value.startsWith('--') ? true : words[++i];
  }
  return found;
}
