// The text of a document with the place of each piece: page, heading or paragraph.
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { CodedError } from '../../lib/coded-error.ts';

export type Piece = { readonly place: string; readonly text: string };
export type Document = { readonly pieces: readonly Piece[]; readonly license: string | null };

export const DOCUMENT_TYPES = ['.pdf', '.docx', '.html', '.htm', '.md', '.markdown', '.txt'];

/** Throws CodedError naming the file when its text cannot be read. */
export async function readDocument(path: string): Promise<Document> {
  const type = extname(path).toLowerCase();
  if (!DOCUMENT_TYPES.includes(type))
    throw new CodedError(
      'unsupported_document',
      `${path}: documents are ${DOCUMENT_TYPES.join(', ')}; got '${type}'.`,
      { param: 'file' },
    );
  const bytes = await readFile(path);
  let document: Document;
  try {
    document = await extract(type, bytes);
  } catch (error) {
    throw new CodedError(
      'unreadable_document',
      `${path} cannot be read: ${(error as Error).message}`,
      {
        param: 'file',
        cause: error,
      },
    );
  }
  if (document.pieces.every(({ text }) => text.trim() === ''))
    throw new CodedError(
      'no_text',
      `${path} holds no text; scanned pages need text recognition first.`,
      { param: 'file' },
    );
  return document;
}

async function extract(type: string, bytes: Buffer): Promise<Document> {
  if (type === '.pdf') return pdf(bytes);
  if (type === '.docx') {
    const { default: mammoth } = await import('mammoth');
    const { value } = await mammoth.extractRawText({ buffer: bytes });
    return plain(value);
  }
  const text = decode(bytes);
  if (type === '.html' || type === '.htm') return html(text);
  if (type === '.md' || type === '.markdown') return markdown(text);
  return plain(text);
}

/** UTF-8, or GB18030 where it is none: what Chinese Windows writes. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder(bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'gb18030').decode(
      bytes,
    );
  }
}

async function pdf(bytes: Buffer): Promise<Document> {
  const { extractText, getDocumentProxy } = await import('unpdf');
  const { text } = await extractText(await getDocumentProxy(new Uint8Array(bytes)), {
    mergePages: false,
  });
  const pieces = text.map((page, i) => ({ place: `page ${i + 1}`, text: page }));
  return { pieces, license: licenseIn(text.slice(0, 2).join('\n')) };
}

async function html(source: string): Promise<Document> {
  const { parse } = await import('node-html-parser');
  const root = parse(source);
  const link = root.querySelector('[rel~="license"]');
  const meta = root.querySelector('meta[name="license"], meta[name="dcterms.license"]');
  for (const gone of root.querySelectorAll('script, style, nav, header, footer, noscript, form'))
    gone.remove();
  const body =
    root.querySelector('main') ??
    root.querySelector('article') ??
    root.querySelector('body') ??
    root;
  const license =
    meta?.getAttribute('content') ?? link?.getAttribute('href') ?? licenseIn(body.structuredText);
  return { ...plain(body.structuredText), license };
}

/** A piece for each heading. */
function markdown(source: string): Document {
  const front = /^---\n([\s\S]*?)\n---\n/.exec(source);
  const license = /^license:\s*(.+)$/im.exec(front?.[1] ?? '')?.[1]?.trim() ?? licenseIn(source);
  const pieces: { place: string; text: string }[] = [{ place: 'beginning', text: '' }];
  for (const line of source.slice(front?.[0].length ?? 0).split('\n')) {
    const heading = /^#{1,6}\s+(.*)$/.exec(line)?.[1];
    if (heading !== undefined) pieces.push({ place: `section "${heading.trim()}"`, text: '' });
    pieces.at(-1)!.text += `${line}\n`;
  }
  return { pieces: pieces.filter(({ text }) => text.trim() !== ''), license };
}

const plain = (text: string): Document => ({
  pieces: [{ place: 'text', text }],
  license: licenseIn(text),
});

function licenseIn(text: string): string | null {
  const head = `${text.slice(0, 4000)}\n${text.slice(-4000)}`;
  return (
    /SPDX-License-Identifier:\s*([\w.+-]+)/.exec(head)?.[1] ??
    /\b(CC[ -]BY(?:[ -](?:SA|NC|ND))*[ -]\d\.\d|Apache License,? Version 2\.0|MIT License|CC0)\b/i.exec(
      head,
    )?.[1] ??
    null
  );
}

export type Chunk = Piece & { readonly file: string; readonly from: number; readonly to: number };

/** Pieces cut at paragraphs into stretches of about `size` characters; `from` and `to` are characters of
 *  the piece. */
export function chunksOf(file: string, { pieces }: Document, size: number): Chunk[] {
  return pieces.flatMap(({ place, text }) => {
    const chunks: Chunk[] = [];
    let from = 0;
    while (from < text.length) {
      let to = Math.min(text.length, from + size);
      if (to < text.length) {
        const window = text.slice(from + Math.floor(size / 2), to);
        const cut = Math.max(
          window.lastIndexOf('\n\n'),
          window.lastIndexOf('。'),
          window.lastIndexOf('. '),
        );
        if (cut >= 0) to = from + Math.floor(size / 2) + cut + 1;
      }
      const body = text.slice(from, to).trim();
      if (body.length >= SHORTEST) chunks.push({ file, place, from, to, text: body });
      from = to;
    }
    return chunks;
  });
}

/** Headings and page numbers alone ask for nothing. */
const SHORTEST = 40;
