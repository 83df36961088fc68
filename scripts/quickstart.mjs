// `npm run quickstart`: from a fresh clone to a fine-tuned model that answers, in one command.
import { runOnNode } from './setup.mjs';

await runOnNode('src/cli/main.ts', ['quickstart', ...process.argv.slice(2)]);
