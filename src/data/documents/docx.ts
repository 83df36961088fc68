// A Word document as HTML, so that headings, lists and tables are read by the one reader of pages. What
// unpacks to more than a document can be is refused before it is unpacked into memory.
import { open } from 'node:fs/promises';
import type { Say } from '../../messages/say.ts';
import { readEntry, zipEntries } from '../read-table/zip.ts';

const MOST_BYTES = 64 * 1024 * 1024; // of XML; a book has a few megabytes

export async function docxToHtml(
  path: string,
  say: Say,
): Promise<{
  readonly html: string;
  readonly license: string | null;
  readonly notes: readonly string[];
}> {
  await refuseOthers(path, say);
  const entries = await zipEntries(path, path);
  if (entries.some(({ encrypted }) => encrypted)) throw new Error(say('documents.password'));
  if (!entries.some(({ name }) => /^word\/document\d*\.xml$/.test(name)))
    throw new Error(say('documents.no_word'));
  let bytes = 0;
  let properties = '';
  for (const entry of entries) {
    if (!/\.(xml|rels)$/.test(entry.name)) continue;
    for await (const chunk of readEntry(path, entry, path)) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES)
        throw new Error(say('documents.too_large', { megabytes: MOST_BYTES / 1024 / 1024 }));
      if (entry.name === 'docProps/core.xml') properties += chunk.toString('utf8');
    }
  }
  const { default: mammoth } = await import('mammoth');
  const { value } = await mammoth.convertToHtml(
    { path },
    {
      styleMap: ["p[style-name='Title'] => h1:fresh", "p[style-name='Subtitle'] => h2:fresh"],
      convertImage: mammoth.images.imgElement(async () => ({ src: '' })),
    },
  );
  return {
    html: value,
    license: /<dc:rights>([^<]+)<\/dc:rights>/.exec(properties)?.[1] ?? null,
    notes: [],
  };
}

async function refuseOthers(path: string, say: Say): Promise<void> {
  const file = await open(path);
  const head = Buffer.alloc(64 * 1024);
  const { bytesRead } = await file.read(head, 0, head.length, 0).finally(() => file.close());
  if (bytesRead === 0) throw new Error(say('documents.empty'));
  if (head.readUInt32BE(0) === 0xd0cf11e0) {
    // A protected document lies encrypted in such a file; the format before 2007 is one too.
    const name = Buffer.from('EncryptedPackage', 'utf16le');
    if (head.includes(name)) throw new Error(say('documents.password'));
    throw new Error(say('documents.old_word'));
  }
  if (head.readUInt16BE(0) !== 0x504b) throw new Error(say('documents.no_word'));
}
