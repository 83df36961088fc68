// tunery data documents FILES --model M: question–answer rows from PDF, DOCX, HTML, Markdown and text,
// written by a model behind any OpenAI-compatible endpoint. Where each row comes from stands in a second
// file, line by line, because training files may hold no other keys.
import { readdir, stat } from 'node:fs/promises';
import { extname, join, relative, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { DocumentRows } from '../../data/documents/document-rows.ts';
import { DOCUMENT_TYPES } from '../../data/documents/extract.ts';
import { wholeNumber } from '../arguments.ts';
import { askFlags, makeRows, settingsOf } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { Failure, usageError } from '../failure.ts';
import { note } from '../output.ts';
import { readRecipe } from '../recipe.ts';

export function documentsCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'documents', description: say('cli.data.documents') },
    args: {
      files: { type: 'positional', description: say('arg.documents'), required: false },
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.documents_output'),
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
      'skip-unreadable': { type: 'boolean', description: say('arg.skip_unreadable') },
      recipe: { type: 'string', description: say('arg.ask_recipe'), valueHint: 'FILE' },
      ...askFlags(cli),
    },
    async run({ args, rawArgs }) {
      const recipe =
        args.recipe === undefined ? null : await readRecipe(cli, args.recipe, Step, rawArgs);
      if (recipe === null && args._.length === 0) throw usageError(say('documents.no_input'));
      const documents =
        recipe?.inputs.map(({ path, file = path }) => ({ path, name: file })) ??
        (await documentsIn(cli, args._));
      const step = recipe?.step;
      const output = resolve(args.output ?? recipe?.output ?? 'documents.jsonl');
      await makeRows<DocumentRows>(
        cli,
        args,
        {
          kind: 'documents',
          documents: documents.map((document) => ({ ...document, fileId: null })),
          output,
          questions: step?.questions ?? wholeNumber(say, '--questions', args.questions, 1, 100),
          chunk: step?.chunk ?? wholeNumber(say, '--chunk', args.chunk, 200, 100_000),
          questionLanguage: step === undefined ? (args.language ?? null) : step.language,
          system: step === undefined ? (args.system ?? null) : step.system,
          license: step === undefined ? (args.license ?? null) : step.license,
          inline: step?.inline ?? args.inline === true,
          skipUnreadable: step?.skip_unreadable ?? args['skip-unreadable'] === true,
          dryRun: args['dry-run'] === true,
          settings: settingsOf(cli, args, output, recipe),
        },
        {
          done: ({ chunks_without_rows: empty }, params) =>
            say('documents.done', { ...params, empty }),
          none: (_, path) => say('documents.none', { path }),
          before: recipe?.outputs,
        },
      );
    },
  });
}

const Step = z.looseObject({
  do: z.literal('documents'),
  model: z.string(),
  questions: z.int().min(1),
  chunk: z.int().min(1),
  language: z.string().nullable(),
  system: z.string().nullable(),
  license: z.string().nullable(),
  inline: z.boolean(),
  skip_unreadable: z.boolean(),
  temperature: z.number(),
  max_tokens: z.int(),
});

/** Files themselves, and the documents of folders and what is below them, in the order of their names. */
async function documentsIn(cli: Cli, paths: readonly string[]) {
  const { say } = cli;
  const found: string[] = [];
  for (const path of paths) {
    const entry = await stat(path).catch((error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? say('data.no_file') : error.message;
      throw new Failure(say('error.file', { path, reason }), {
        code: 'file_not_found',
        param: 'file',
      });
    });
    if (!entry.isDirectory()) {
      found.push(path);
      continue;
    }
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const documents: string[] = [];
    const others: string[] = [];
    for (const item of entries) {
      const at = join(item.parentPath, item.name);
      const known = DOCUMENT_TYPES.includes(extname(item.name).toLowerCase());
      // A link to a file is as good as the file; one to a folder may lead back to where we are.
      const linked =
        item.isSymbolicLink() && ((await stat(at).catch(() => null))?.isFile() ?? false);
      if (known && (item.isFile() || linked)) documents.push(at);
      else if (!item.isDirectory()) others.push(relative(path, at));
    }
    if (documents.length === 0)
      throw new Failure(say('documents.no_files', { path, types: DOCUMENT_TYPES.join(', ') }), {
        code: 'no_documents',
        param: 'file',
      });
    if (others.length > 0) {
      const first = others.sort()[0]!;
      note(cli, say('documents.other_files', { path, count: others.length, first }));
    }
    found.push(...documents.sort());
  }
  return [...new Set(found)].map((path) => ({ path: resolve(path), name: path }));
}
