// Which format a file is in: by its first bytes where they are unmistakable, then by its name, then by
// what its first line looks like. JSON and JSONL are told apart by content: names are often wrong.
import { firstOf, type Part } from './source.ts';
import { TableError, type TableFormat } from './table.ts';

const HEAD = 64 * 1024;

export async function detectFormat(part: Part): Promise<TableFormat> {
  const head = await firstOf(part.open(), HEAD);
  if (head.length === 0) throw new TableError(part.file, 'data.empty_table');
  const magic = head.subarray(0, 4).toString('latin1');
  if (magic === 'PAR1') return 'parquet';
  if (magic === 'PK\x03\x04' || magic === '\xd0\xcf\x11\xe0') {
    if (/\.(docx|pptx|odt|doc|ppt)$/i.test(part.file))
      throw new TableError(part.file, 'data.no_table_format', { format: extensionOf(part.file) });
    return 'xlsx';
  }
  if (magic === '%PDF') throw new TableError(part.file, 'data.no_table_format', { format: 'PDF' });
  const extension = extensionOf(part.file);
  const text = skim(head);
  // No header begins like this.
  const named = /^(\{\s*"|\[\s*\{\s*")/.test(text) ? null : extension;
  if (named === 'csv' || named === 'tsv') return named;
  if (extension === 'txt') return extension;
  const json = jsonLayout(text);
  if (json !== null) return json;
  if (extension === 'json') return 'json';
  if (extension === 'jsonl' || extension === 'ndjson') return 'jsonl';
  if (extension === 'parquet')
    throw new TableError(part.file, 'data.damaged_parquet', { reason: 'no PAR1 at its start' });
  if (extension === 'xlsx' || extension === 'xlsm' || extension === 'xls')
    throw new TableError(part.file, 'data.damaged_workbook', { reason: 'no zip archive' });
  return separatedBy(text);
}

const extensionOf = (file: string) => /\.(\w{1,8})$/.exec(file)?.[1]?.toLowerCase() ?? '';

/** Good enough to look at in any encoding: marks and the zero bytes of UTF-16 are dropped. */
const skim = (head: Buffer) =>
  head
    .toString('latin1')
    .replace(/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '')
    .replaceAll('\0', '')
    .replace(/^(\s|\xc2\xa0)+/, '');

function jsonLayout(text: string): 'json' | 'jsonl' | null {
  if (text.startsWith('[')) return /^\[\s*([[{"\d\]]|$)/.test(text) ? 'json' : null;
  if (!text.startsWith('{')) return null;
  const end = text.indexOf('\n');
  const line = (end < 0 ? text : text.slice(0, end)).trim();
  // Objects of columns, and lists under a name, are one value for all rows.
  if (/^\{\s*"(data|rows|examples|items|records|samples|train)"\s*:\s*[[{]/.test(line))
    return 'json';
  if (/^\{\s*"[^"]*"\s*:\s*\{\s*"0"\s*:/.test(line)) return 'json';
  if (/^\{\s*"(prompt|completion|text|question|instruction)"\s*:\s*\[/.test(line)) return 'json';
  // A first line that is an object of its own, or is meant to be one: JSONL.
  return line.length > 1 && /[}\],]$|"$/.test(line) && !/^\{\s*$/.test(line) && balanced(line)
    ? 'jsonl'
    : end < 0
      ? 'jsonl'
      : /\n\s*\{/.test(text.slice(end)) && line.length > 2
        ? 'jsonl'
        : 'json';
}

function balanced(line: string): boolean {
  const open = line.replace(/"(\\.|[^"\\])*"/g, '');
  const count = (character: string) => open.split(character).length - 1;
  return count('{') === count('}') && count('[') === count(']');
}

function separatedBy(text: string): TableFormat {
  const lines = text.split(/\r\n|\r|\n/).slice(0, 5);
  const [first = ''] = lines;
  const same = (separator: string) =>
    first.includes(separator) &&
    lines.slice(0, -1).every((line) => line === '' || line.includes(separator));
  if (same('\t')) return 'tsv';
  return same(',') || same(';') ? 'csv' : 'txt';
}
