// tunery data check FILE: the report, as text, JSON or a page; with --fix a mended copy beside it.

import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { defineCommand } from 'citty';
import type { FixResult } from '../../data/check/fix.ts';
import type { Report } from '../../data/check/report.ts';
import { reportText } from '../../data/check/report-text.ts';
import type { Question } from '../../jobs/data-protocol.ts';
import { pairOf, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { repeated } from '../command-line.ts';
import {
  beside,
  input,
  languageOf,
  modelFlags,
  modelPath,
  runTask,
  withInput,
} from '../data-input.ts';
import { Failure, usageError } from '../failure.ts';
import { note, printJson, printLine } from '../output.ts';

const SCREENED = 20_000;

export function checkCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'check', description: say('cli.data.check') },
    args: {
      ...input(cli),
      valid: { type: 'string', description: say('arg.valid'), valueHint: 'FILE' },
      ...modelFlags(cli),
      fix: { type: 'boolean', description: say('arg.mend') },
      set: { type: 'string', description: say('arg.fill'), valueHint: 'NAME=TEXT' },
      quiet: { type: 'boolean', alias: 'q', description: say('arg.quiet_fix') },
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.fixed_output'),
        valueHint: 'FILE',
      },
      html: { type: 'string', description: say('arg.html'), valueHint: 'FILE' },
      prices: { type: 'string', description: say('arg.prices'), valueHint: 'FILE' },
      'skip-near': { type: 'boolean', description: say('arg.skip_near') },
      screen: {
        type: 'string',
        description: say('arg.screen'),
        default: String(SCREENED),
        valueHint: 'N',
      },
    },
    async run({ args, rawArgs }) {
      const context = args['context-length'];
      const fill = Object.fromEntries(
        repeated(rawArgs, 'set').map((text) => pairOf(say, '--set', text)),
      );
      if (args.set !== undefined && args.fix !== true)
        throw usageError(say('usage.needs_flag', { flag: '--set', other: '--fix' }));
      const model =
        args.model === undefined
          ? null
          : await modelPath(cli, args.model, args['data-dir'], rawArgs);
      await withInput(cli, args.file, async (path) => {
        const valid = args.valid === undefined ? null : resolve(args.valid);
        const output =
          args.output === undefined ? beside(args.file, '_fixed.jsonl') : resolve(args.output);
        const result = (await runTask(
          cli,
          {
            kind: 'check',
            path,
            valid,
            sheet: args.sheet,
            encoding: args.encoding,
            model,
            modelName: args.model ?? null,
            contextLength:
              context === undefined ? null : wholeNumber(say, '--context-length', context, 8, 1e7),
            near: args['skip-near'] !== true,
            screen: wholeNumber(say, '--screen', args.screen, 0, 1e9),
            prices: args.prices === undefined ? null : resolve(args.prices),
            html: args.html === undefined ? null : resolve(args.html),
            fix:
              args.fix === true
                ? {
                    output,
                    validOutput: valid === null ? null : beside(valid, '_fixed.jsonl'),
                    fill,
                  }
                : null,
            language: languageOf(cli),
          },
          (questions) => asked(cli, questions, args.quiet === true),
        )) as { readonly report: Report; readonly fixed: readonly FixResult[] };
        print(cli, result, args.json === true);
        if (args.html !== undefined) note(cli, say('written', { path: args.html }));
        // What was mended is reported as it was; the mended copy is checked anew.
        const { errors } = result.report;
        if (errors > 0)
          throw new Failure(say('datatool.has_errors', { errors }), { code: 'data_errors' });
      });
    },
  });
}

function print(
  cli: Cli,
  { report, fixed }: { readonly report: Report; readonly fixed: readonly FixResult[] },
  json: boolean,
): void {
  if (json) {
    printJson(cli, fixed.length === 0 ? report : { ...report, fixed });
    return;
  }
  for (const line of reportText(report, cli.say)) printLine(cli, line);
  for (const { path, rows, dropped, changed, applied, redaction_map } of fixed) {
    printLine(
      cli,
      cli.say('datatool.fixed', { path, rows, dropped, changed, codes: applied.join(', ') }),
    );
    if (redaction_map !== null) printLine(cli, cli.say('datatool.map', { path: redaction_map }));
  }
}

/** Without a terminal and without -q nothing that needs asking is done, and that is said. */
async function asked(
  cli: Cli,
  questions: readonly Question[],
  yes: boolean,
): Promise<readonly string[]> {
  const idOf = ({ file, code }: Question) => `${file}/${code}`;
  const text = ({ message, advice }: Question) => `${message}. ${advice}`;
  if (yes) {
    for (const question of questions) {
      const answer = cli.say(question.doubtful ? 'datatool.doubtful' : 'datatool.yes');
      note(cli, `${text(question)} ${cli.say('datatool.yes_no')} ${answer}`);
    }
    return questions.filter(({ doubtful }) => !doubtful).map(idOf);
  }
  if (cli.stdin.isTTY !== true) {
    note(cli, cli.say('datatool.not_asked', { count: questions.length }));
    return [];
  }
  const lines = createInterface({ input: cli.stdin, output: cli.stderr });
  try {
    const agreed: string[] = [];
    for (const question of questions) {
      const answer = await lines.question(`${text(question)} ${cli.say('datatool.yes_no')} `, {
        signal: cli.signal,
      });
      if (/^\s*(y|yes|是|好)?\s*$/i.test(answer)) agreed.push(idOf(question));
    }
    return agreed;
  } finally {
    lines.close();
  }
}
