// `npm run tunery -- …` and `npm run serve -- …`: sets up what is missing, then the command line.
import { runOnNode } from './setup.mjs';

await runOnNode('src/cli/main.ts', process.argv.slice(2));
