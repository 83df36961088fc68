// The text of a document with the place of each piece: page, heading or beginning.
import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import { CodedError } from '../../lib/coded-error.ts';
import { say as english, type Say } from '../../messages/say.ts';
import { explain } from '../problems.ts';
import { decodeToUtf8, detectEncoding, labelOf } from '../read-table/encoding.ts';
import { firstOf } from '../read-table/source.ts';
import { TableError } from '../read-table/table.ts';
import { docxToHtml } from './docx.ts';
import { htmlPieces } from './html.ts';
import { licenseIn } from './license.ts';
import { markdownPieces } from './markdown.ts';
import { pdfPieces } from './pdf.ts';

export type Piece = { readonly place: string; readonly text: string };
export type Document = {
  readonly pieces: readonly Piece[];
  readonly license: string | null;
  /** What a reader should know about the reading: pages without text, bytes that are none. */
  readonly notes: readonly string[];
};

export const DOCUMENT_TYPES = ['.pdf', '.docx', '.html', '.htm', '.md', '.markdown', '.txt'];

/** Throws CodedError with the name that the document is known by when its text cannot be read. */
export async function readDocument(
  path: string,
  name = path,
  say: Say = english,
): Promise<Document> {
  const type = extname(path).toLowerCase();
  if (!DOCUMENT_TYPES.includes(type))
    throw new CodedError(
      'unsupported_document',
      say('documents.other_type', { name, known: DOCUMENT_TYPES.join(', '), type }),
      { param: 'file' },
    );
  let document: Document;
  try {
    document = await extract(type, path, say);
  } catch (error) {
    const reason = reasonOf(error, say);
    throw new CodedError('unreadable_document', say('documents.unreadable', { name, reason }), {
      param: 'file',
      cause: error,
    });
  }
  if (document.pieces.every(({ text }) => !HAS_TEXT.test(text)))
    throw new CodedError(
      'no_text',
      say(type === '.pdf' ? 'documents.no_text_pdf' : 'documents.no_text', { name }),
      { param: 'file' },
    );
  return document;
}

const HAS_TEXT = /[\p{L}\p{N}]/u;

async function extract(type: string, path: string, say: Say): Promise<Document> {
  if (type === '.pdf') return pdfPieces(path, say);
  if (type === '.docx') {
    const { html, license, notes } = await docxToHtml(path, say);
    const document = htmlPieces(html);
    return { ...document, license: license ?? document.license, notes };
  }
  const { text, notes } = await textOf(path, type, say);
  if (type === '.html' || type === '.htm') return { ...htmlPieces(text), notes };
  if (type === '.md' || type === '.markdown') return { ...markdownPieces(text), notes };
  return { pieces: [{ place: 'text', text }], license: licenseIn(text), notes };
}

/** In any encoding that a table may have; a page may name its own. */
async function textOf(path: string, type: string, say: Say) {
  const open = () => createReadStream(path) as AsyncIterable<Buffer>;
  const part = { file: path, open, local: async () => path };
  const named = type.startsWith('.htm')
    ? /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(
        (await firstOf(open(), 4096)).toString('latin1'),
      )?.[1]
    : undefined;
  const given = named === undefined ? null : labelOf(named);
  // Many pages are saved in another encoding than they say; what is beyond doubt UTF-8 or marked stays so.
  const found = await detectEncoding(part).catch((error: unknown) => {
    if (given === null || !(error instanceof TableError)) throw error;
    return null;
  });
  const sure = found !== null && (found.label.startsWith('utf-') || given === null);
  const encoding = sure ? found : await detectEncoding(part, given ?? undefined);
  const { chunks, problems } = decodeToUtf8(part, encoding);
  const bytes: Buffer[] = [];
  for await (const chunk of chunks) bytes.push(chunk);
  const text = Buffer.concat(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  if (text.includes('\0')) throw new Error(say('documents.nul'));
  return {
    text: text.replaceAll(/\r\n?/g, '\n'),
    notes: problems.map((problem) => explain(problem, say).what),
  };
}

function reasonOf(error: unknown, say: Say): string {
  if (error instanceof TableError) return explain(error.problem, say).what;
  const text = error instanceof Error ? error.message : String(error);
  return /call stack/.test(text) ? say('documents.deep') : text;
}
