// What a command prints on stdout: text for people, or with --json the API's own objects.
import type { Cli } from './cli.ts';

export function printLine({ stdout }: Cli, text: string): void {
  stdout.write(`${text}\n`);
}

export function printJson({ stdout }: Cli, value: unknown): void {
  stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Progress and remarks; stdout stays for the result. */
export function note({ stderr }: Cli, text: string): void {
  stderr.write(`${text}\n`);
}

/** Columns as wide as their widest cell; Chinese characters count as two. */
export function printTable(cli: Cli, rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) {
    note(cli, cli.say('list.empty'));
    return;
  }
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => displayWidth(row[column] ?? ''))),
  );
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === row.length - 1 ? cell : pad(cell, widths[column]!),
    );
    printLine(cli, cells.join('  '));
  }
}

export const pad = (text: string, width: number) =>
  text + ' '.repeat(Math.max(0, width - displayWidth(text)));

// East Asian wide and full-width blocks (Unicode UAX #11), coarsely.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** Local time without the zone: what `ls -l` readers expect. */
export function formatTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
