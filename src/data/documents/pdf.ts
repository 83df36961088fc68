// Text of a PDF, page by page. Fonts of Chinese, Japanese and Korean documents often name a table of
// characters instead of holding one; those tables (Adobe, BSD licence) are in assets/cmaps.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Say } from '../../messages/say.ts';
import type { Document } from './extract.ts';
import { licenseIn } from './license.ts';

const CMAPS = fileURLToPath(new URL('../../../assets/cmaps/', import.meta.url));

export async function pdfPieces(path: string, say: Say): Promise<Document> {
  const { getDocumentProxy } = await import('unpdf');
  const bytes = new Uint8Array(await readFile(path));
  const pdf = await getDocumentProxy(bytes, {
    cMapUrl: CMAPS,
    cMapPacked: true,
    verbosity: 0, // its warnings would stand between the lines of our output
  }).catch((error: Error) => {
    if (error.name !== 'PasswordException') throw error;
    throw new Error(say('documents.password'), { cause: error });
  });
  try {
    const pages: string[] = [];
    for (let number = 1; number <= pdf.numPages; number++) {
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      pages.push(wholeWords(joined(items.filter((item) => 'str' in item))));
      page.cleanup();
    }
    const { metadata } = await pdf.getMetadata().catch(() => ({ metadata: null }));
    const named = ['xmprights:webstatement', 'cc:license', 'dc:rights']
      .map((key): unknown => metadata?.get(key))
      .find((value) => typeof value === 'string' && value !== '');
    const empty = pages.flatMap((text, i) => (text.trim() === '' ? [i + 1] : []));
    return {
      pieces: pages.map((text, i) => ({ place: `page ${i + 1}`, text })),
      license: (named as string | undefined) ?? licenseIn(pages.slice(0, 2).join('\n')),
      notes:
        empty.length === 0
          ? []
          : [say('documents.empty_pages', { count: empty.length, pages: listed(empty) })],
    };
  } finally {
    await pdf.loadingTask.destroy();
  }
}

type Item = {
  readonly str: string;
  readonly hasEOL: boolean;
  readonly width: number;
  /** The last two are the place: from the left, from below. */
  readonly transform: readonly number[];
};

/** A piece that begins further left than the one before ends, and higher or lower, is a new line. */
function joined(items: readonly Item[]): string {
  let text = '';
  for (const [i, item] of items.entries()) {
    const next = items[i + 1];
    text += item.str;
    const [x = 0, y = 0] = item.transform.slice(4);
    const [nextX = 0, nextY = 0] = next?.transform.slice(4) ?? [];
    const below = Math.abs(nextY - y) > 1 && nextX < x + item.width / 2;
    if (item.hasEOL || (next !== undefined && item.str !== '' && next.str !== '' && below))
      text += '\n';
  }
  return text;
}

/** Words that the end of a line has cut in two. */
const wholeWords = (text: string) => text.replaceAll(/(\p{Ll})[-\u00ad]\n(\p{Ll})/gu, '$1$2');

const listed = (pages: readonly number[]) =>
  pages.slice(0, 20).join(', ') + (pages.length > 20 ? ', …' : '');
