// From any table to rows that can be trained on: reads, asks what it has to ask, writes new files.
// The successor of `openai tools fine_tunes.prepare_data`; who answers and who prints is the Ui's.
import { writeNewFiles } from '../../lib/new-files.ts';
import type { TableSource } from '../read-table/source.ts';
import { TableError } from '../read-table/table.ts';
import { systemFailure } from '../source/system-error.ts';
import { chooseForm } from './choose-form.ts';
import { announce, openInput } from './input.ts';
import { mappingText } from './mapping.ts';
import type { PrepareOptions } from './options.ts';
import { preparePairs } from './pairs-run.ts';
import { problemText } from './problem-text.ts';
import { PrepareError, type Report } from './report.ts';
import { prepareSamples } from './samples-run.ts';
import { Session } from './session.ts';
import type { Ui } from './ui.ts';

export async function prepare(
  sources: readonly TableSource[],
  options: PrepareOptions,
  ui: Ui,
): Promise<Report> {
  const session = new Session(ui, options);
  const { say } = ui;
  try {
    ui.print(`${say('prepare.analyzing')}\n`);
    const input = await openInput(
      sources,
      { ...options.table, signal: options.signal },
      options.rename,
    );
    try {
      const { lines, necessary } = announce(input, say, options.table);
      for (const line of lines) session.line(line);
      session.necessary.push(...necessary);
      const form = await chooseForm(input, options, ui);
      const report =
        form.kind === 'pairs'
          ? await preparePairs(form, input, session)
          : await prepareSamples(form, input, session);
      if (form.kind === 'pairs' && form.mapping !== null && options.saveMap !== null) {
        await writeNewFiles([{ path: options.saveMap, chunks: [mappingText(form.mapping)] }]);
        ui.print(`${say('prepare.wrote_map', { path: options.saveMap })}\n`);
      }
      return report;
    } finally {
      await input.close();
    }
  } catch (error) {
    throw asPrepareError(error, session);
  }
}

function asPrepareError(error: unknown, session: Session): unknown {
  const { say } = session.ui;
  const { findings } = session;
  const ended = (code: string, message: string) =>
    Object.assign(new PrepareError(code, message, { cause: error }), { findings });
  if (error instanceof PrepareError) return Object.assign(error, { findings });
  if (session.options.signal.aborted) return ended('interrupted', say('prepare.interrupted'));
  if (error instanceof TableError)
    return ended(error.problem.key.replace('data.', ''), problemText(error.problem, say));
  const known = systemFailure(error, say);
  if (known !== null) return ended(known.code, known.message);
  return error;
}
