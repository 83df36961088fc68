// Text of a page: a piece for each heading; a row of a table is a line. What surrounds the text of a
// page (menus, forms, head and foot) and what is hidden is left out.
import { HTMLElement, type Node, parse, TextNode } from 'node-html-parser';
import type { Document, Piece } from './extract.ts';
import { licenseIn } from './license.ts';

export function htmlPieces(source: string): Omit<Document, 'notes'> {
  const root = parse(source, { comment: false });
  const meta = root.querySelector('meta[name="license"], meta[name="dcterms.license"]');
  const link = root.querySelector('[rel~="license"]');
  const body = root.querySelector('body') ?? root;
  const articles = root.querySelectorAll('article');
  const main = root.querySelector('main') ?? (articles.length === 1 ? articles[0]! : null);
  let pieces = main === null ? [] : piecesOf(main, IN_TEXT);
  if (pieces.length === 0) pieces = piecesOf(body, [...IN_TEXT, 'header', 'footer']);
  const license =
    meta?.getAttribute('content') ??
    link?.getAttribute('href') ??
    licenseIn(pieces.map(({ text }) => text).join('\n'));
  return { pieces, license };
}

const IN_TEXT =
  'script style template noscript nav form button select svg math iframe object head'.split(' ');
const BLOCKS = new Set(
  'address article aside blockquote dd details div dl dt figcaption figure footer header hr li main ol p pre section summary table tbody tfoot thead tr ul'.split(
    ' ',
  ),
);

function piecesOf(root: HTMLElement, left: readonly string[]): Piece[] {
  const text = new PageText(left);
  text.visit(root, false);
  return text.pieces.filter((piece) => piece.text.trim() !== '');
}

class PageText {
  readonly pieces = [{ place: 'beginning', text: '' }];
  readonly #left: readonly string[];

  constructor(left: readonly string[]) {
    this.#left = left;
  }

  /** `raw`: line ends and blanks count, as in `pre`. */
  visit(node: Node, raw: boolean): void {
    if (node instanceof TextNode)
      this.#write(raw ? node.text : node.text.replaceAll(/[\s\u00a0]+/g, ' '));
    if (!(node instanceof HTMLElement)) return;
    const tag = node.rawTagName?.toLowerCase() ?? '';
    const hidden = node.hasAttribute('hidden') || node.getAttribute('aria-hidden') === 'true';
    if (hidden || this.#left.includes(tag)) return;
    if (tag === 'br') this.#newLine(1);
    else if (tag === 'table' && node.querySelector('table') === null) this.#table(node);
    else if (/^h[1-6]$/.test(tag)) this.#heading(plain(node.text));
    else {
      const lines = tag === 'p' ? 2 : BLOCKS.has(tag) ? 1 : 0;
      this.#newLine(lines);
      if (tag === 'li') this.#write('- ');
      for (const child of node.childNodes) this.visit(child, raw || tag === 'pre');
      this.#newLine(lines);
    }
  }

  #heading(text: string): void {
    if (text !== '') this.pieces.push({ place: `section "${text}"`, text: `${text}\n` });
  }

  #table(node: HTMLElement): void {
    this.#newLine(1);
    for (const row of node.querySelectorAll('tr')) {
      const cells = row.querySelectorAll('td, th').map((cell) => plain(cell.structuredText));
      if (cells.some((cell) => cell !== '')) this.#write(`${cells.join(' | ')}\n`);
    }
  }

  /** Blanks in a row are one, and none begins a line. */
  #write(text: string): void {
    const piece = this.pieces.at(-1)!;
    piece.text += /(^|\s)$/.test(piece.text) ? text.replace(/^[ \t]+/, '') : text;
  }

  #newLine(lines: number): void {
    const piece = this.pieces.at(-1)!;
    const text = piece.text.trimEnd();
    if (lines === 0 || text === '' || /(^|\n)-$/.test(text)) return; // the mark of a list stays with its text
    const before = piece.text.slice(text.length).split('\n').length - 1;
    piece.text = text + '\n'.repeat(Math.max(lines, before));
  }
}

const plain = (text: string) => text.replaceAll(/\s+/g, ' ').trim();
