// Documents to question–answer rows: reads them, says what it will take, asks a model about each stretch
// of text, and writes the rows, where each comes from, and how all of it was made.
import { CodedError } from '../../lib/coded-error.ts';
import type { Say } from '../../messages/say.ts';
import { sha256Of } from '../source/manifest.ts';
import { type Asking, type AskSettings, askAll, planOf, unused } from './ask.ts';
import { chunksOf } from './chunks.ts';
import { type Document, readDocument } from './extract.ts';
import { type Made, writeMade } from './made-rows.ts';
import { pairsIn, questionPrompt } from './question-rows.ts';

export type DocumentsRequest = {
  readonly documents: readonly Input[];
  readonly output: string;
  readonly questions: number;
  /** Characters of a stretch of text. */
  readonly chunk: number;
  /** Null: that of the text. */
  readonly questionLanguage: string | null;
  readonly system: string | null;
  /** Null: looked for in each document. */
  readonly license: string | null;
  /** Puts the provenance into the rows too. */
  readonly inline: boolean;
  /** Goes on without documents that cannot be read. */
  readonly skipUnreadable: boolean;
  readonly dryRun: boolean;
  readonly settings: AskSettings;
};
type Input = {
  readonly path: string;
  /** What the rows call it. */
  readonly name: string;
  readonly fileId: string | null;
};

export type DocumentRows = Made & {
  readonly object: 'tunery.documents';
  readonly chunks: number;
  readonly chunks_without_rows: number;
  /** Of these, the ones that the model's endpoint would not answer. */
  readonly chunks_refused: number;
  readonly licenses: Readonly<Record<string, string | null>>;
};

/** A guess, for the plan: a question and an answer of a sentence or two. */
const TOKENS_OF_A_PAIR = 80;

/** Null: it was only to say what it would take. */
export async function documentRows(
  request: DocumentsRequest,
  asking: Asking,
): Promise<DocumentRows | null> {
  const { settings } = request;
  const read = await readAll(request, asking.say);
  const asked = read.files.flatMap((file) =>
    chunksOf(file, request.chunk).map((chunk) => ({ file, chunk })),
  );
  const questions = asked.map(({ chunk }) =>
    questionPrompt(chunk.text, request.questions, request.questionLanguage),
  );
  const perAnswer = Math.min(settings.maxTokens, request.questions * TOKENS_OF_A_PAIR);
  asking.onPlan(planOf(questions, perAnswer, [...read.files.map(planned), ...read.unreadable]));
  if (request.dryRun) return null;

  const { answers, told } = await askAll(questions, settings, asking);
  const replies = asked.map(({ file, chunk: { text: _, ...place } }, i) => {
    const answer = answers[i]!;
    return {
      answer,
      pairs: 'refused' in answer ? [] : pairsIn(answer.text, answer.cut),
      source: { ...named(file), ...place, license: file.license },
    };
  });
  const without = replies.filter(({ pairs }) => pairs.length === 0);
  const head = request.system === null ? [] : [{ role: 'system', content: request.system }];
  const made = await writeMade(request, {
    rows: replies.flatMap(({ pairs, source }) =>
      pairs.map(({ question, answer }) => ({
        row: {
          messages: [
            ...head,
            { role: 'user', content: question },
            { role: 'assistant', content: answer },
          ],
        },
        source,
      })),
    ),
    rejected: without.map(({ source, answer }) => ({ ...source, ...unused(answer) })),
    step: stepOf(request),
    inputs: read.files.map((file) => ({
      path: file.path,
      sha256: file.sha256,
      rows: asked.filter((item) => item.file === file).length,
      ...named(file),
    })),
    told,
    inline: request.inline,
  });
  return {
    object: 'tunery.documents',
    ...made,
    chunks: asked.length,
    chunks_without_rows: without.length,
    chunks_refused: without.filter(({ answer }) => 'refused' in answer).length,
    licenses: Object.fromEntries(read.files.map(({ name, license }) => [name, license])),
  };
}

type Read = Document & Input & { readonly sha256: string };

const named = ({ name, fileId }: Input) => ({
  file: name,
  ...(fileId === null ? {} : { file_id: fileId }),
});
const planned = ({ name, license, notes }: Read) => ({ file: name, license, notes });

/** All documents are read before the first question is paid for; each that cannot be is named. */
async function readAll({ documents, license, skipUnreadable }: DocumentsRequest, say: Say) {
  const files: Read[] = [];
  const unreadable: { file: string; license: null; notes: string[]; error: CodedError }[] = [];
  for (const input of documents) {
    try {
      const document = await readDocument(input.path, input.name, say);
      const sha256 = await sha256Of(input.path);
      files.push({ ...document, ...input, sha256, license: license ?? document.license });
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      unreadable.push({ file: input.name, license: null, notes: [error.message], error });
    }
  }
  const [first] = unreadable;
  if (first !== undefined && (!skipUnreadable || files.length === 0)) {
    if (unreadable.length === 1) throw first.error;
    const all = unreadable.map(({ error }) => error.message).join('\n');
    throw new CodedError(
      first.error.code,
      say('documents.unreadable_several', { count: unreadable.length, all }),
      { param: 'file' },
    );
  }
  return { files, unreadable: unreadable.map(({ error: _, ...file }) => file) };
}

const stepOf = (request: DocumentsRequest) => ({
  do: 'documents',
  questions: request.questions,
  chunk: request.chunk,
  language: request.questionLanguage,
  system: request.system,
  license: request.license,
  inline: request.inline,
  skip_unreadable: request.skipUnreadable,
});
