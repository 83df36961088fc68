// `npm run conformance [-- --only NAME] [--json FILE]`: see docs/reference/conformance.md. Exits with 1
// when a check fails that is no listed exception.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ROOT, runChild, setUpOrExit } from './setup.mjs';

const node = setUpOrExit();
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.exitCode = await runChild(node, process.argv.slice(1));
} else {
  try {
    const { values } = parseArgs({
      options: { only: { type: 'string' }, json: { type: 'string' } },
    });
    const { run } = await import(pathToFileURL(join(ROOT, 'test/conformance/main.ts')).href);
    process.exit((await run(values)) ? 0 : 1);
  } catch (error) {
    const usage = error instanceof RangeError || error.code?.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(`${usage ? error.message : error.stack}\n`);
    process.exit(usage ? 2 : 1);
  }
}
