// tunery data documents FILES --model M: question–answer rows from PDF, DOCX, HTML, Markdown and text,
// written by a model behind any OpenAI-compatible endpoint. Where each row comes from stands in a second
// file, line by line, because training files may hold no other keys.
import { readdir, rm, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { askAll } from '../../data/documents/ask.ts';
import {
  type Chunk,
  chunksOf,
  DOCUMENT_TYPES,
  readDocument,
} from '../../data/documents/extract.ts';
import { pairsIn, questionPrompt } from '../../data/documents/question-rows.ts';
import { writeRowsTo } from '../../data/source/write-rows.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { cl100k } from '../../tokenizer/cl100k.ts';
import { decimal, remote, wholeNumber } from '../arguments.ts';
import { costOf, modelAsker, priceFlags, withProgress } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { connect } from '../client.ts';
import { Failure } from '../failure.ts';
import { note, printJson, printLine } from '../output.ts';

export function documentsCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'documents', description: say('cli.data.documents') },
    args: {
      files: { type: 'positional', description: say('arg.documents'), required: true },
      model: {
        type: 'string',
        alias: 'm',
        description: say('arg.model'),
        required: true,
        valueHint: 'NAME',
      },
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.output'),
        default: 'documents.jsonl',
        valueHint: 'FILE',
      },
      questions: {
        type: 'string',
        description: say('arg.questions'),
        default: '3',
        valueHint: 'N',
      },
      chunk: { type: 'string', description: say('arg.chunk'), default: '1500', valueHint: 'N' },
      language: { type: 'string', description: say('arg.question_language'), valueHint: 'NAME' },
      system: { type: 'string', description: say('arg.convert_system'), valueHint: 'TEXT' },
      license: { type: 'string', description: say('arg.license'), valueHint: 'NAME' },
      inline: { type: 'boolean', description: say('arg.inline') },
      'dry-run': { type: 'boolean', description: say('arg.dry_run') },
      ...priceFlags(cli),
      ...remote(cli),
    },
    async run({ args }) {
      const count = wholeNumber(say, '--questions', args.questions, 1, 100);
      const size = wholeNumber(say, '--chunk', args.chunk, 200, 100_000);
      const longest = wholeNumber(say, '--max-tokens', args['max-tokens'], 16, 1e6);
      const { chunks, licenses } = await read(args._, size, args.license ?? null);
      const questions = chunks.map((chunk) => questionPrompt(chunk, count, args.language ?? null));
      const cost = costOf(cli, args);
      const tokens = questions
        .flat()
        .reduce((sum, { content }) => sum + cl100k().count(content), 0);
      const estimate = {
        promptTokens: tokens,
        completionTokens: chunks.length * Math.min(longest, count * 80),
      };
      note(
        cli,
        say('documents.plan', {
          chunks: chunks.length,
          files: licenses.size,
          tokens,
          cost: cost(estimate),
        }),
      );
      for (const [file, license] of licenses)
        note(cli, say('documents.license', { file, license: license ?? say('documents.unknown') }));
      if (args['dry-run'] === true) {
        if (args.json === true)
          printJson(cli, {
            object: 'tunery.documents_plan',
            chunks: chunks.length,
            ...estimate,
            cost: cost(estimate),
          });
        return;
      }
      const output = resolve(args.output);
      const memory = `${output}.answers.jsonl`;
      const ask = modelAsker(
        connect(cli, args['base-url']),
        args.model,
        longest,
        decimal(say, '--temperature', args.temperature, 0, 2),
      );
      const answers = await withProgress(cli, cost, (onProgress) =>
        askAll(questions, ask, {
          memory,
          model: args.model,
          parallel: wholeNumber(say, '--parallel', args.parallel, 1, 64),
          signal: cli.signal,
          onProgress,
        }),
      );
      const rows = answers.flatMap(({ text }, i) =>
        pairsIn(text).map((pair) => ({ pair, source: sourceOf(chunks[i]!, licenses, args.model) })),
      );
      if (rows.length === 0)
        throw new Failure(say('documents.none', { path: memory }), { code: 'no_rows' });
      const head = args.system === undefined ? [] : [{ role: 'system', content: args.system }];
      const inline = args.inline === true;
      await writeRowsTo(output, async (writer) => {
        for (const { pair, source } of rows) {
          const messages = [
            ...head,
            { role: 'user', content: pair.question },
            { role: 'assistant', content: pair.answer },
          ];
          await writer.line(JSON.stringify(inline ? { messages, source } : { messages }));
        }
      });
      const provenance = `${output}.provenance.jsonl`;
      await writeRowsTo(provenance, async (writer) => {
        for (const [i, { source }] of rows.entries())
          await writer.line(JSON.stringify({ line: i + 1, ...source }));
      });
      await rm(memory, { force: true });
      const empty = answers.filter(({ text }) => pairsIn(text).length === 0).length;
      const promptTokens = answers.reduce((sum, answer) => sum + answer.promptTokens, 0);
      const completionTokens = answers.reduce((sum, answer) => sum + answer.completionTokens, 0);
      const spent = cost({ promptTokens, completionTokens });
      if (args.json === true)
        printJson(cli, {
          object: 'tunery.documents',
          output,
          provenance,
          rows: rows.length,
          chunks: chunks.length,
          chunks_without_rows: empty,
          prompt_tokens: promptTokens,
          completion_tokens: completionTokens,
          cost: spent,
          licenses: Object.fromEntries(licenses),
        });
      else
        printLine(
          cli,
          say('documents.done', {
            path: output,
            rows: rows.length,
            empty,
            provenance,
            cost: spent,
          }),
        );
    },
  });
}

type Licenses = ReadonlyMap<string, string | null>;

const sourceOf = (
  { file, place, from, to, text: _ }: Chunk,
  licenses: Licenses,
  model: string,
) => ({
  file,
  place,
  from,
  to,
  license: licenses.get(file) ?? null,
  generated_by: model,
});

async function read(paths: readonly string[], size: number, license: string | null) {
  const chunks: Chunk[] = [];
  const licenses = new Map<string, string | null>();
  for (const path of (await Promise.all(paths.map(documentsIn))).flat()) {
    const document = await readDocument(path).catch((error: unknown) => {
      if (!(error instanceof CodedError)) throw error;
      throw new Failure(error.message, { code: error.code, param: error.param, cause: error });
    });
    chunks.push(...chunksOf(path, document, size));
    licenses.set(path, license ?? document.license);
  }
  return { chunks, licenses };
}

/** The file itself, or the documents of a folder in the order of their names. */
async function documentsIn(path: string): Promise<string[]> {
  const entry = await stat(path).catch((error: Error) => {
    throw new Failure(error.message, { code: 'file_not_found', param: 'file' });
  });
  if (!entry.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) =>
    DOCUMENT_TYPES.includes(extname(name).toLowerCase()),
  );
  return names.sort().map((name) => join(path, name));
}
