// The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
import type { Say } from '../../messages/say.ts';
import type { Distribution } from '../analyse/numbers.ts';
import { percent } from './file-checks.ts';
import type { Finding } from './findings.ts';
import type { FileSection, Report } from './report.ts';
import { gradeKey, trainingText } from './report-text.ts';

export function reportHtml(report: Report, speak: Say): string {
  const files = [report.train, ...(report.valid === null ? [] : [report.valid])];
  const title = speak('report.title', { path: report.train.path });
  const body = [
    `<h1>${escapeHtml(title)}</h1>`,
    `<p class="${report.ok ? 'good' : 'error'}">${escapeHtml(speak('report.sum', { errors: report.errors, warnings: report.warnings }))}</p>`,
    `<h2>${escapeHtml(speak('report.findings'))}</h2>`,
    report.findings.length === 0
      ? `<p>${escapeHtml(speak('report.no_findings'))}</p>`
      : report.findings.map((finding) => findingHtml(finding, speak)).join('\n'),
    `<h2>${escapeHtml(speak('report.training'))}</h2>`,
    `<ul>${[...trainingText(report, speak)].map((line) => `<li>${escapeHtml(line.trim())}</li>`).join('')}</ul>`,
    ...files.map((file) => fileHtml(file, report, speak)),
  ];
  return page(title, body.join('\n'), speak);
}

export const page = (title: string, body: string, speak: Say) => `<!doctype html>
<html lang="${speak('cli.language')}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>
${body}
</body></html>
`;

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0}td,th{border:1px solid #ccc;padding:.2rem .6rem;text-align:right}
th:first-child,td:first-child{text-align:left}.error{color:#b00020}.warning{color:#8a5a00}.info{color:#555}.good{color:#0a6b2d}
details{border-left:4px solid #ccc;padding:.2rem .8rem;margin:.5rem 0}details.error{border-color:#b00020}
details.warning{border-color:#d99000}summary{cursor:pointer}code,pre{font:13px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.bar{display:inline-block;height:.7em;background:#4a78b5}mark{background:#bfe8c8}.token{border-right:1px solid #999}`;

export const escapeHtml = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

function findingHtml(
  { code, severity, message, advice, lines, lines_omitted, details, fix, file }: Finding,
  speak: Say,
) {
  const omitted = lines_omitted > 0 ? ` … +${lines_omitted}` : '';
  const list = !lines.some((line) => line > 0)
    ? ''
    : `<p><code>${escapeHtml(speak('report.lines', { lines: lines.join(', ') }))}${omitted}</code></p>`;
  const places = details
    .slice(0, 200)
    .map((detail) => `<li><code>${escapeHtml(placeText(detail))}</code></li>`)
    .join('');
  const where = file === 'valid' ? `${speak('report.valid')} ` : '';
  const mended =
    fix === null ? '' : ` (${speak(fix === 'auto' ? 'report.fix_auto' : 'report.fix_ask')})`;
  return (
    `<details class="${severity}"${severity === 'error' ? ' open' : ''}><summary><b class="${severity}">` +
    `${escapeHtml(speak(`report.severity.${severity}`))}</b> <code>${escapeHtml(code)}</code> ${escapeHtml(where + message)}</summary>` +
    `<p>${escapeHtml(advice + mended)}</p>${list}${places === '' ? '' : `<ul>${places}</ul>`}</details>`
  );
}

const placeText = (detail: Finding['details'][number]) =>
  Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ');

/** The cookbook's counts, and the rows that are cut. */
function* countsHtml(file: FileSection, context: number, speak: Say): Generator<string> {
  const item = (text: string) => `<li>${escapeHtml(text)}</li>`;
  if (file.format_counters !== null) {
    yield item(speak('report.missing_system', { rows: file.missing_system_message }));
    yield item(speak('report.missing_user', { rows: file.missing_user_message }));
    for (const [name, { count, lines }] of Object.entries(file.format_counters))
      if (count > 0)
        yield item(`${name}: ${count} (${speak('report.lines', { lines: lines.join(', ') })})`);
  }
  const { rows, listed } = file.over_context;
  const cut = listed
    .slice(0, MOST_CUT_ROWS)
    .map(({ line, tokens, over }) => item(speak('report.over_row', { line, tokens, over })));
  const more = rows - cut.length;
  if (more > 0) cut.push(item(speak('report.more', { more })));
  yield `<li>${escapeHtml(speak('report.over', { rows, context }))}${cut.length === 0 ? '' : `<ul>${cut.join('')}</ul>`}</li>`;
}
const MOST_CUT_ROWS = 1000;

function fileHtml(
  file: FileSection,
  { tokenizer, context_length: context }: Report,
  speak: Say,
): string {
  const { rows, sound_rows: sound, shape, format, bytes } = file;
  const head = speak('report.file', {
    path: file.path,
    rows,
    sound,
    shape: shape ?? '?',
    format,
    bytes,
  });
  const spreads: [string, Distribution | null][] = [
    [speak('report.messages'), file.messages_per_row],
    [speak('report.tokens'), file.tokens_per_row],
    [speak('report.assistant_tokens'), file.assistant_tokens_per_row],
  ];
  const columns = [
    'min',
    'p5',
    'p10',
    'median',
    'mean',
    'p90',
    'p95',
    'p99',
    'max',
    'total',
  ] as const;
  const number = (value: number) => String(Number(value.toFixed(1)));
  const table = spreads
    .filter((row): row is [string, Distribution] => row[1] !== null)
    .map(
      ([name, spread]) =>
        `<tr><td>${escapeHtml(name)}</td>${columns.map((key) => `<td>${number(spread[key])}</td>`).join('')}</tr>`,
    );
  const labels = (file.labels ?? []).map(
    ({ label, rows: n, share, grade, tokens }) =>
      `<tr><td>${escapeHtml(label)}</td><td>${n}</td><td>${percent(share)} %</td><td>${escapeHtml(speak(`report.grade.${gradeKey(grade)}`))}</td>` +
      `<td>${tokens ?? ''}</td><td><span class="bar" style="width:${(share * 20).toFixed(2)}rem"></span></td></tr>`,
  );
  const languages = Object.entries(file.languages).map(
    ([name, n]) => `${name} ${percent(n / sound)} %`,
  );
  return [
    `<h2>${escapeHtml(head)}</h2>`,
    `<p><code>sha256 ${file.sha256}</code></p>`,
    `<p>${escapeHtml(speak('report.tokenizer', { tokenizer, context }))}</p>`,
    `<table><tr><th></th>${columns.map((key) => `<th>${key}</th>`).join('')}</tr>${table.join('')}</table>`,
    `<ul>${[...countsHtml(file, context, speak)].join('')}</ul>`,
    `<p>${escapeHtml(speak('report.languages', { languages: languages.join(', ') }))}</p>`,
    labels.length === 0 ? '' : `<table>${labels.join('')}</table>`,
  ].join('\n');
}
