// `prepare` for the server, in its child: every suggestion is accepted, the conversation is kept.
import { basename, dirname, sep } from 'node:path';
import { prepare } from '../../data/prepare/prepare.ts';
import { PrepareError, type Report } from '../../data/prepare/report.ts';
import { type Condition, parseCondition } from '../../data/prepare/row-steps.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { speaker } from '../../messages/say.ts';
import type { PrepareTask } from '../data-protocol.ts';
import type { Told } from './data-process.ts';

export async function prepareTask(
  task: PrepareTask,
  told: Told,
): Promise<Report & { readonly transcript: string }> {
  let transcript = '';
  const { path, encoding, sheet, format, names, ...options } = task;
  const say = speaker(task.language);
  try {
    const report = await prepare(
      [{ path, name: basename(path) }],
      {
        ...options,
        names: { name: names.name, author: names.author },
        legacy: false,
        table: { encoding, sheet, format },
        where: task.where.map((text) => condition(text)),
        saveMap: null,
        rename: null,
        signal: new AbortController().signal, // who wants it to stop ends the child
        onRows: (rows) => void told.send({ type: 'progress', stage: 'rows', rows, file: path }),
      },
      {
        say,
        askText: null,
        print: (text) => {
          transcript += text;
        },
        confirm: async (question) => {
          transcript += `${question}Y\n`;
          return true;
        },
      },
    );
    // Whoever called knows neither the folder nor how long it lives.
    const { command } = report;
    return {
      ...report,
      command: command && bare(command, task),
      transcript: bare(transcript, task),
    };
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    const said = bare(`${error.message}\n${transcript}`, task).trim();
    throw new CodedError(error.code, said, {
      cause: error,
      param: 'file',
    });
  }
}

const bare = (text: string, { output }: PrepareTask) =>
  text.replaceAll(`${dirname(output)}${sep}`, '');

function condition(text: string): Condition {
  const found = parseCondition(text);
  if (found !== null) return found;
  throw new CodedError(
    'invalid_value',
    `where must be COLUMN=VALUE or COLUMN!=VALUE; got '${text}'.`,
    {
      param: 'where',
    },
  );
}
