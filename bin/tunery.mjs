#!/usr/bin/env node
// The command `tunery`: in a clone it runs the sources, as an installed package what was built from them.
// Whatever Node starts it, Tunery itself runs on the one of the npm package `node`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, runOnNode } from '../scripts/setup.mjs';

const sources = existsSync(join(ROOT, 'src/cli/main.ts'));
await runOnNode(sources ? 'src/cli/main.ts' : 'dist/cli/main.js', process.argv.slice(2));
