// Made suites.json.br once, from clones of the two official SDKs:
//   node test/conformance/collect.ts OPENAI_NODE_CLONE OPENAI_PYTHON_CLONE
// The tests are kept as they are; docs/reference/conformance.md names their versions and licences.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import { SUITES_FILE, type Suite } from './suites.ts';

const [node, python] = process.argv.slice(2);
if (python === undefined) throw new Error('two paths are needed; see the head of this file');

const NODE = [
  /^tests\/api-resources\/(batches|completions|embeddings|files|models|moderations)\.test\.ts$/,
  /^tests\/api-resources\/(chat|fine-tuning|responses|uploads)\//,
];
const PYTHON = [
  /^tests\/api_resources\/test_(batches|completions|embeddings|files|models|moderations|responses|uploads)\.py$/,
  /^tests\/api_resources\/(chat|fine_tuning|responses|uploads)\//,
  /^tests\/(api_resources\/)?__init__\.py$/,
  /^tests\/(conftest|utils)\.py$/,
  /^tests\/respx2\/.*\.(py|typed)$/,
  /^tests\/respx2\/LICENSE\.md$/,
];

const suites = [collect('openai-node', node!, NODE), collect('openai-python', python, PYTHON)];
writeFileSync(SUITES_FILE, brotliCompressSync(JSON.stringify(suites)));

function collect(name: Suite['name'], clone: string, wanted: readonly RegExp[]): Suite {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', clone, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const paths = git('ls-tree', '-r', '--name-only', 'HEAD').trim().split('\n');
  const kept = paths.filter(
    (path) => path === 'LICENSE' || wanted.some((pattern) => pattern.test(path)),
  );
  const versions = git(
    'show',
    name === 'openai-node' ? 'HEAD:package.json' : 'HEAD:pyproject.toml',
  );
  return {
    name,
    version: /"?version"?\s*[:=]\s*"([^"]+)"/.exec(versions)![1]!,
    commit: git('rev-parse', 'HEAD').trim(),
    files: Object.fromEntries(kept.map((path) => [path, git('show', `HEAD:${path}`)])),
  };
}
