// `npm run fuzz -- [--minutes 60] [--seed N]`: the fuzz test of test/fuzz.test.ts for longer.
import { join } from 'node:path';
import { environment, ROOT, runChild, setUpOrExit } from './setup.mjs';

const words = process.argv.slice(2);
const value = (name, otherwise) => {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(words[at + 1]);
};
const minutes = value('minutes', 10);
const seed = value('seed', Date.now() % 2 ** 31);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  process.stderr.write('npm run fuzz -- [--minutes N] [--seed N]\n');
  process.exit(2);
}
const node = setUpOrExit();
process.exitCode = await runChild(
  node,
  [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', 'test/fuzz.test.ts'],
  {
    env: environment({ TUNERY_FUZZ_SECONDS: String(minutes * 60), TUNERY_FUZZ_SEED: String(seed) }),
  },
);
