// tunery data rationale FILE --model M: asks a model to reason, keeps the rows whose reasoning ends in the
// right answer, and tells their share (STaR).
import { rm } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { askAll } from '../../data/documents/ask.ts';
import { finalAnswer, rationalePrompt } from '../../data/documents/question-rows.ts';
import { openSource } from '../../data/source/rows.ts';
import { writeRowsTo } from '../../data/source/write-rows.ts';
import { viewOfRow } from '../../data/transform/expression.ts';
import { decimal, remote, wholeNumber } from '../arguments.ts';
import { costOf, modelAsker, priceFlags, withProgress } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { connect } from '../client.ts';
import { withInput } from '../data-input.ts';
import { Failure } from '../failure.ts';
import { printJson, printLine } from '../output.ts';

export function rationaleCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'rationale', description: say('cli.data.rationale') },
    args: {
      file: { type: 'positional', description: say('arg.data_file'), required: true },
      model: {
        type: 'string',
        alias: 'm',
        description: say('arg.model'),
        required: true,
        valueHint: 'NAME',
      },
      output: { type: 'string', alias: 'o', description: say('arg.output'), valueHint: 'FILE' },
      ...priceFlags(cli),
      ...remote(cli),
    },
    async run({ args }) {
      await withInput(cli, args.file, async (path) => {
        const output = resolve(
          args.output ?? join(dirname(path), `${basename(path, extname(path))}_rationale.jsonl`),
        );
        const memory = `${output}.answers.jsonl`;
        const items = await questionsIn(path);
        if (items.length === 0)
          throw new Failure(say('rationale.no_rows'), { code: 'no_rows', param: 'file' });
        const longest = wholeNumber(say, '--max-tokens', args['max-tokens'], 16, 1e6);
        const ask = modelAsker(
          connect(cli, args['base-url']),
          args.model,
          longest,
          decimal(say, '--temperature', args.temperature, 0, 2),
        );
        const cost = costOf(cli, args);
        const answers = await withProgress(cli, cost, (onProgress) =>
          askAll(
            items.map(({ question }) => rationalePrompt(question)),
            ask,
            {
              memory,
              model: args.model,
              parallel: wholeNumber(say, '--parallel', args.parallel, 1, 64),
              signal: cli.signal,
              onProgress,
            },
          ),
        );
        const kept = items.flatMap(({ question, answer }, i) => {
          const rationale = answers[i]!.text.trim();
          return finalAnswer(rationale) === finalAnswer(answer) ? [{ question, rationale }] : [];
        });
        await writeRowsTo(output, async (writer) => {
          for (const { question, rationale } of kept)
            await writer.line(
              JSON.stringify({
                messages: [
                  { role: 'user', content: question },
                  { role: 'assistant', content: rationale },
                ],
              }),
            );
        });
        await rm(memory, { force: true });
        const share = kept.length / items.length;
        if (args.json === true)
          printJson(cli, {
            object: 'tunery.rationales',
            output,
            asked: items.length,
            kept: kept.length,
            share,
          });
        else
          printLine(
            cli,
            say('rationale.done', {
              path: output,
              kept: kept.length,
              asked: items.length,
              percent: (100 * share).toFixed(1),
            }),
          );
      });
    },
  });
}

async function questionsIn(
  path: string,
): Promise<{ readonly question: string; readonly answer: string }[]> {
  const source = await openSource(path);
  const items: { question: string; answer: string }[] = [];
  try {
    for await (const item of source.items()) {
      const view = item.kind === 'row' ? viewOfRow(item.value) : null;
      if (view !== null && view.prompt !== '')
        items.push({ question: view.prompt, answer: view.answer });
    }
    return items;
  } finally {
    await source.close();
  }
}
