// Writes COMPATIBILITY.md from what a run found (results.json) and from what people wrote (table.md).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fieldsPage } from './fields-page.ts';
import type { LineResult, Results } from './results.ts';

export const COMPATIBILITY_FILE = fileURLToPath(new URL('../../COMPATIBILITY.md', import.meta.url));
const TABLE = fileURLToPath(new URL('table.md', import.meta.url));

const NAMES: Readonly<Record<string, string>> = {
  http: 'HTTP',
  'node-7': 'npm `openai` 7',
  'node-4': 'npm `openai` 4',
  'node-3': 'npm `openai` 3',
  'python-3': 'Python `openai` 3',
  'python-0.28': 'Python `openai` 0.28',
  'ai-sdk': 'AI SDK',
  'openai-node': 'npm `openai` 7',
  'openai-python': 'Python `openai` 3',
};

export function compatibility(results: Results): string {
  const [head, ...sections] = readFileSync(TABLE, 'utf8')
    .replace(/<!--[\s\S]*?-->\n*/, '')
    .split(/^(?=## )/m);
  const note =
    '<!-- Written by `npm run conformance` from test/conformance/table.md and results.json: edit those. -->';
  const body = sections.map((section) =>
    section.replace(/^\|.*\|$/gm, (row) => rowOf(row, results)),
  );
  const all = [run(results), ...body, fieldsPage(results)].map((text) => `${text.trimEnd()}\n`);
  return [note, '', head!.trimEnd(), '', ...all].join('\n').replace(/\n{3,}/g, '\n\n');
}

/** A row of four cells gets clients for checks; others stay. */
function rowOf(row: string, results: Results): string {
  const cells = row.slice(1, -1).split('|');
  const [what, state, remarks, checks] = cells.map((cell) => cell.trim());
  if (cells.length !== 4) return row;
  if (checks === 'checks') return '| what | state | clients | remarks |';
  if (checks === '---') return row;
  const shown = checks!.split(' ').filter((check) => check !== '');
  const failing = shown.flatMap((check) => failureOf(check, results));
  const clients = [...new Set(shown.flatMap((check) => clientsOf(check, results)))];
  const judged = failing.length > 0 && state === 'works' ? 'partial' : state;
  return `| ${what} | ${judged} | ${clients.join(', ')} | ${[remarks, ...failing].filter(Boolean).join('; ')} |`;
}

function clientsOf(check: string, { lines, suites }: Results): string[] {
  if (check.includes('/')) return [`[our tests](${check})`];
  const line = lineOf(check, lines);
  if (line) return line.state === 'passed' ? line.clients.map((client) => NAMES[client]!) : [];
  return suites.flatMap(({ suite, resources }) =>
    (resources[check]?.passed ?? 0) > 0 ? [NAMES[suite]!] : [],
  );
}

function failureOf(check: string, { lines, suites }: Results): string[] {
  if (check.includes('/')) return [];
  const line = lineOf(check, lines);
  if (line)
    return line.state === 'passed' ? [] : [`line ${line.line} of the checklist: ${line.state}`];
  const counts = suites.flatMap(({ resources }) => resources[check] ?? []);
  if (counts.length === 0) throw new Error(`table.md: no run knows the check '${check}'`);
  return counts.some(({ unexplained }) => unexplained.length > 0)
    ? [`the clients' own tests of ${check} fail`]
    : [];
}

function lineOf(check: string, lines: readonly LineResult[]): LineResult | null {
  if (!/^\d+$/.test(check)) return null;
  const found = lines.find(({ line }) => line === Number(check));
  if (!found) throw new Error(`table.md: the checklist has no line ${check}`);
  return found;
}

function run({ models, lines, suites, clients }: Results): string {
  const resources = [...new Set(suites.flatMap((suite) => Object.keys(suite.resources)))].sort();
  const cell = (suite: Results['suites'][number], name: string) => {
    const count = suite.resources[name];
    return count ? `${count.passed} of ${count.total}` : '–';
  };
  const passed = lines.filter(({ state }) => state === 'passed').length;
  return [
    '## The last run',
    '',
    `[How it is done](docs/reference/conformance.md). Models: ${models.map((name) => `\`${name}\``).join(', ')}.`,
    '',
    "The official clients' own tests:",
    '',
    `| tests of | ${suites.map((suite) => `${NAMES[suite.suite]} (tests of ${suite.version})`).join(' | ')} |`,
    `|---|${suites.map(() => '---|').join('')}`,
    ...resources.map(
      (name) => `| ${name} | ${suites.map((suite) => cell(suite, name)).join(' | ')} |`,
    ),
    '',
    ...suites.map((suite) => share(suite)),
    '',
    'Those that do not pass:',
    '',
    '| tests of | client | tests | reason |',
    '|---|---|---|---|',
    ...suites.flatMap((suite) =>
      Object.entries(suite.resources).flatMap(([name, { exceptions, unexplained }]) => [
        ...Object.entries(exceptions).map(
          ([reason, tests]) => `| ${name} | ${NAMES[suite.suite]} | ${tests} | ${reason} |`,
        ),
        ...unexplained.map(
          (one) =>
            `| ${name} | ${NAMES[suite.suite]} | 1 | not explained: ${one.replaceAll('|', '\\|')} |`,
        ),
      ]),
    ),
    '',
    'Our own tests through unmodified clients, from a file to a model that answers:',
    '',
    '| tests | passed |',
    '|---|---|',
    ...clients.map(
      ({ file, passed: good, total }) => `| [${file}](${file}) | ${good} of ${total} |`,
    ),
    '',
    `The checklist: ${passed} of ${lines.length} lines pass.`,
    '',
    '| line | what | state | clients |',
    '|---|---|---|---|',
    ...lines.map(
      ({ line, what, state, clients, reason }) =>
        `| ${line} | ${what} | ${state === 'passed' ? 'passes' : `${state}: ${reason!.replaceAll('|', '\\|').slice(0, 160)}`} | ${clients.map((client) => NAMES[client]!).join(', ')} |`,
    ),
    '',
  ].join('\n');
}

const PROMISED = [
  'batches',
  'files',
  'fine-tuning',
  'graders',
  'models',
  'moderations',
  'uploads',
] as const;

function share({ suite, resources }: Results['suites'][number]): string {
  const counts = PROMISED.flatMap((name) => resources[name] ?? []);
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const total = counts.reduce((sum, count) => sum + count.total, 0);
  const percent = ((100 * passed) / total).toFixed(1);
  return `- ${NAMES[suite]}: ${passed} of ${total} tests of ${PROMISED.join(', ')} pass (${percent} %).`;
}
