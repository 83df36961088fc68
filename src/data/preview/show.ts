// A preview on the terminal and as a page: what is learned is coloured, or bracketed where there are no
// colours.
import type { Say } from '../../messages/say.ts';
import { escapeHtml, page } from '../check/report-html.ts';
import type { PreviewRow, Rendering } from './preview.ts';

export type ShowOptions = { readonly color: boolean; readonly tokens: boolean };

const LEARNED = '\u001b[30;42m';
const BOUNDARY = '\u001b[2m│\u001b[22m';
const PLAIN = '\u001b[0m';

export function* previewText(
  rows: readonly PreviewRow[],
  speak: Say,
  options: ShowOptions,
): Generator<string> {
  for (const { row, line, renderings, problem } of rows) {
    if (problem !== null) yield problemLine({ row, line, problem }, speak);
    for (const rendering of renderings) {
      yield head(row, line, rendering, speak);
      yield rendering.stretches.map((stretch) => colored(stretch, options)).join('');
      yield '';
    }
  }
}

function problemLine(
  { row, line, problem }: { row: number; line: number; problem: string },
  speak: Say,
): string {
  if (row > 0) return speak('preview.problem', { row, line, problem });
  return line === 0
    ? problem
    : speak('preview.place_problem', { place: speak('rows.place', { line }), problem });
}

const head = (row: number, line: number, { part, tokens, learned, cut }: Rendering, speak: Say) =>
  `── ${speak('preview.row', { row, line, part: part === 'row' ? '' : speak(`preview.${part}`), tokens, learned, cut })}`;

function colored(
  { text, weight, tokens }: Rendering['stretches'][number],
  options: ShowOptions,
): string {
  const body = options.tokens ? tokens.join(options.color ? BOUNDARY : '│') : text;
  if (weight === 0) return body;
  return options.color ? `${LEARNED}${body}${PLAIN}` : `⟦${body}⟧`;
}

export function previewHtml(rows: readonly PreviewRow[], speak: Say, tokens: boolean): string {
  const body = rows.flatMap(({ row, line, renderings, problem }) => [
    ...(problem === null
      ? []
      : [`<p class="error">${escapeHtml(problemLine({ row, line, problem }, speak))}</p>`]),
    ...renderings.map(
      (rendering) =>
        `<h2>${escapeHtml(head(row, line, rendering, speak))}</h2><pre>${rendering.stretches
          .map((stretch) => {
            const inner = tokens
              ? stretch.tokens
                  .map((text) => `<span class="token">${escapeHtml(text)}</span>`)
                  .join('')
              : escapeHtml(stretch.text);
            return stretch.weight > 0 ? `<mark>${inner}</mark>` : inner;
          })
          .join('')}</pre>`,
    ),
  ]);
  return page(speak('preview.title'), body.join('\n'), speak);
}
