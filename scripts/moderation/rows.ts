// Reads assets/moderation/data into labelled rows.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { featuresOf } from '../../src/moderate/features.ts';
import {
  type Labels,
  labelled,
  labelsOfAdvBench,
  labelsOfJade,
  labelsOfSafetyTest,
} from './labels.ts';

export const DATA = fileURLToPath(new URL('../../assets/moderation/data', import.meta.url));

export type Row = {
  readonly source: string;
  readonly language: 'en' | 'zh';
  readonly labels: Labels;
  readonly features: Uint16Array;
};

/** A row without its text; `features` are the gaps between numbers, two bytes each, as base64. */
export type PackedRow = Pick<Row, 'source' | 'labels'> & { readonly features: string };

export function readRows(): Row[] {
  return [...written(), ...advBench(), ...jade(), ...safetyTests(), ...harmless(), ...comments()];
}

const read = (name: string) => readFileSync(join(DATA, name), 'utf8');
const lines = (name: string) =>
  read(name)
    .split('\n')
    .filter((line) => line !== '');

function row(source: string, text: string, labels: Labels): Row {
  const language = /\p{Script=Han}/u.test(text) ? 'zh' : 'en';
  return { source, language, labels, features: featuresOf(text) };
}

function written(): Row[] {
  let labels: Labels = {};
  return lines('written.txt').flatMap((line) => {
    if (line.startsWith('//')) return [];
    if (!line.startsWith('# ')) return [row('written', line, labels)];
    const names = line.slice(2).split(', ');
    const yes = names.filter((name) => name !== 'none' && !name.startsWith('?'));
    labels = labelled(
      yes,
      openBeside(yes).concat(
        names.filter((name) => name.startsWith('?')).map((name) => name.slice(1)),
      ),
    );
    return [];
  });
}

// Insults and threats against a group harass as well; a threat and a crime are near to violence.
function openBeside(yes: readonly string[]): string[] {
  const open: Record<string, string[]> = {
    harassment: ['hate', 'violence'],
    'harassment/threatening': ['violence', 'violence/graphic', 'illicit', 'illicit/violent'],
    hate: ['harassment', 'violence', 'hate/threatening'],
    'hate/threatening': ['harassment', 'harassment/threatening', 'violence', 'illicit/violent'],
    'self-harm': ['self-harm/intent', 'self-harm/instructions', 'violence'],
    'self-harm/intent': ['self-harm/instructions', 'violence'],
    'self-harm/instructions': ['self-harm/intent', 'violence', 'illicit'],
    'sexual/minors': ['illicit', 'illicit/violent'],
    violence: [
      'violence/graphic',
      'harassment/threatening',
      'illicit/violent',
      'illicit',
      'harassment',
    ],
    'violence/graphic': ['illicit/violent', 'illicit', 'harassment/threatening', 'harassment'],
    'illicit/violent': ['violence/graphic'],
  };
  return yes.flatMap((category) => open[category] ?? []);
}

function advBench(): Row[] {
  const rows: string[][] = parse(read('advbench_harmful_behaviors.csv'));
  return rows.map(([text]) => row('advbench', text!, labelsOfAdvBench(text!)));
}

function jade(): Row[] {
  return ['v1_en', 'v1_zh', 'v2_easy_zh', 'v2_medium_zh'].flatMap((part) => {
    const rows: Record<string, string>[] = parse(read(`jade_${part}.csv`), {
      columns: true,
      bom: true,
    });
    return rows.map((one) => {
      const text = one['问题']!;
      return row('jade', text, labelsOfJade(`${one['违规类型']}/${one['违规子类']}`, text));
    });
  });
}

function safetyTests(): Row[] {
  return lines('simple-safety-tests.tsv').map((line) => {
    const [area, text] = line.split('\t');
    return row('simple-safety-tests', text!, labelsOfSafetyTest(area!, text!));
  });
}

function harmless(): Row[] {
  return lines('harmless.jsonl').map((line) => {
    const { source, text } = JSON.parse(line) as { source: string; text: string };
    return row(source, text, labelled([]));
  });
}

function comments(): Row[] {
  const packed = brotliDecompressSync(readFileSync(join(DATA, 'comments.features.br'))).toString();
  return packed.split('\n').map((line) => {
    const { source, labels, features } = JSON.parse(line) as PackedRow;
    const gaps = Buffer.from(features, 'base64');
    const numbers = new Uint16Array(gaps.length / 2);
    for (let i = 0, sum = 0; i < numbers.length; i++) {
      sum += gaps.readUInt16LE(2 * i);
      numbers[i] = sum;
    }
    return { source, language: source === 'cold' ? 'zh' : 'en', labels, features: numbers };
  });
}
