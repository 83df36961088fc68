// The part of COMPATIBILITY.md that lists every field with the tests that show what it does.
import type { FieldTest } from './field-tests.ts';
import { type Shown, type ShownTest, shownFields } from './fields.ts';
import type { Results } from './results.ts';

export function fieldsPage({ fields: ran }: Results): string {
  const rows = shownFields();
  const endpoints = [...new Set(rows.map(({ endpoint }) => endpoint))];
  const count = (effect: Shown['effect']) =>
    rows.filter((row) => row.effect === effect).reduce((sum, { fields }) => sum + fields.length, 0);
  const passed = ran.filter(({ state }) => state === 'passed').length;
  return [
    '## Every field, and the tests that show what it does',
    '',
    `Fields are those of the server's own schemas; \`npm test\` fails when one has no row here. ${count('acts')} act; ` +
      `${count('refused')} are refused by name with any value that asks for something; ${count('ignored')} are taken and ` +
      `ignored, because the contract wants that and no answer could differ. ${passed} of these ${ran.length} tests passed in the last run.`,
    '',
    ...endpoints.flatMap((endpoint) => [
      `### \`${endpoint}\``,
      '',
      '| fields | effect | shown by |',
      '|---|---|---|',
      ...rows.filter((row) => row.endpoint === endpoint).map((row) => line(row, ran)),
      '',
    ]),
  ].join('\n');
}

function line({ fields, effect, tests }: Shown, ran: readonly FieldTest[]): string {
  const links = tests.map((test) => `[${escaped(test.title)}](${test.file})${outcome(test, ran)}`);
  return `| ${fields.map((name) => `\`${name}\``).join(', ')} | ${effect} | ${links.join('; ')} |`;
}

function outcome(test: ShownTest, ran: readonly FieldTest[]): string {
  const found = ran.find(({ file, title }) => file === test.file && title === test.title);
  return found?.state === 'passed' ? '' : ` (**${found?.state ?? 'not run'}**)`;
}

const escaped = (title: string) => title.replaceAll(/[|[\]]/g, '\\$&');
