// The legacy checks of columns: prompt, completion, and what there is besides.
import type { Ui } from './ui.ts';

export type ColumnFinding =
  | {
      readonly error: false;
      readonly code: string;
      readonly text: string;
      readonly necessary: string;
    }
  | { readonly error: true; readonly missing: string };

const WANTED = ['prompt', 'completion'];

export function* columnFindings(columns: readonly string[], { say }: Ui): Generator<ColumnFinding> {
  let known = [...columns];
  for (const column of WANTED) {
    if (known.includes(column)) continue;
    const other = known.find((name) => name.toLowerCase() === column);
    if (other === undefined) return yield { error: true, missing: column };
    known = known.map((name) => (name === other ? column : name));
    yield {
      error: false,
      code: 'necessary_column',
      text: say('prepare.column_case', { column }),
      necessary: say('prepare.column_case.do', { column }),
    };
  }
  const more = known.filter((name) => !WANTED.includes(name));
  if (more.length === 0) return;
  const list = `[${more.map((name) => `'${name}'`).join(', ')}]`;
  const similar = WANTED.filter((name) => more.some((other) => other.toLowerCase().includes(name)));
  const warnings = similar.map((column) => `\n${say('prepare.columns_similar', { column })}`);
  yield {
    error: false,
    code: 'additional_column',
    text: `${say('prepare.columns_more', { columns: list })}${warnings.join('')}`,
    necessary: say('prepare.columns_more.do', { columns: list }),
  };
}
