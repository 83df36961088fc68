// What the docs show: precision and recall by category and language, on rows unseen in training.
import { CATEGORIES, type Category } from '../../src/moderate/categories.ts';
import type { Row } from './rows.ts';

type Found = readonly ReadonlySet<Category>[];

export function tablesOf(rows: readonly Row[], found: Found): string {
  const quiet = rows.flatMap((row, i) =>
    CATEGORIES.every((category) => row.labels[category] === 0) ? [found[i]!] : [],
  );
  const alarms = quiet.filter((names) => names.size > 0).length;
  return [
    '| category | rows with / without | precision | recall | English: with | precision | recall | Chinese: with | precision | recall |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...CATEGORIES.map((category) => line(category, rows, found)),
    '',
    `${rows.length} rows. Of the ${quiet.length} to which no category applies, ${alarms} (${percent(alarms, quiet.length)}) are flagged with one.`,
  ].join('\n');
}

function line(category: Category, rows: readonly Row[], found: Found): string {
  const count = (label: 0 | 1, flagged?: true, language?: Row['language']) =>
    rows.filter(
      (row, i) =>
        row.labels[category] === label &&
        (language === undefined || row.language === language) &&
        (flagged === undefined || found[i]!.has(category)),
    ).length;
  const quality = (language?: Row['language']) => {
    const hits = count(1, true, language);
    const flagged = hits + count(0, true, language);
    return `${percent(hits, flagged)} | ${percent(hits, count(1, undefined, language))}`;
  };
  const cells = [
    `\`${category}\``,
    `${count(1)} / ${count(0)}`,
    quality(),
    count(1, undefined, 'en'),
    quality('en'),
    count(1, undefined, 'zh'),
    quality('zh'),
  ];
  return `| ${cells.join(' | ')} |`;
}

const percent = (part: number, whole: number) =>
  whole === 0 ? '–' : `${Math.round((100 * part) / whole)} %`;
