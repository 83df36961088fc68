import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterAll, expect, test } from 'vitest';
import { speaker } from '../../messages/say.ts';
import { chunksOf } from './chunks.ts';
import { readDocument } from './extract.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-extract-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const read = (name: string, content: string | Uint8Array) =>
  readDocument(file(name, content), name);
const textOf = async (name: string, content: string | Uint8Array) =>
  (await read(name, content)).pieces.map(({ text }) => text).join('');

/** A PDF with a page for each content stream; `font` is the description of /F1. */
function pdf(
  pages: readonly string[],
  font = '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
) {
  const kids = pages.map((_, i) => `${4 + 2 * i} 0 R`).join(' ');
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    font,
    ...pages.flatMap((stream, i) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 200] /Contents ${5 + 2 * i} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
      `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    ]),
  ];
  let out = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const at = out.length;
    out += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return String(at).padStart(10, '0');
  });
  const table = offsets.map((offset) => `${offset} 00000 n \n`).join('');
  const size = objects.length + 1;
  return `${out}xref\n0 ${size}\n0000000000 65535 f \n${table}trailer << /Size ${size} /Root 1 0 R >>\nstartxref\n${out.length}\n%%EOF\n`;
}

const paragraph = (text: string, style = '') =>
  `<w:p>${style && `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`}<w:r><w:t>${text}</w:t></w:r></w:p>`;
const cell = (text: string) => `<w:tc>${paragraph(text)}</w:tc>`;
const docx = (body: string, more: Record<string, Uint8Array> = {}) =>
  zipSync({
    '[Content_Types].xml': strToU8(
      '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/></Types>',
    ),
    '_rels/.rels': strToU8(
      '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
    ),
    'word/_rels/document.xml.rels': strToU8(
      '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>',
    ),
    'word/styles.xml': strToU8(
      '<?xml version="1.0"?><w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>',
    ),
    'word/document.xml': strToU8(
      `<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${body}</w:body></w:document>`,
    ),
    ...more,
  });

test('a PDF is read page by page; words that a line’s end cut in two are whole, empty pages are named', async () => {
  const { pieces, notes } = await read(
    'pages.pdf',
    pdf(['BT /F1 12 Tf 20 100 Td (The install-) Tj 0 -14 Td (ation takes an hour) Tj ET', '']),
  );
  expect(pieces).toEqual([
    { place: 'page 1', text: 'The installation takes an hour' },
    { place: 'page 2', text: '' },
  ]);
  expect(notes).toEqual(['no text on 1 page(s): 2']);
});

test('a PDF in Chinese whose font holds no table of its characters is read', async () => {
  const hex = [...'热泵每年清洗一次']
    .map((c) => c.charCodeAt(0).toString(16).padStart(4, '0'))
    .join('');
  const font =
    '<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /FontDescriptor << /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >> >>] >>';
  expect(await textOf('zh.pdf', pdf([`BT /F1 12 Tf 20 100 Td <${hex}> Tj ET`], font))).toBe(
    '热泵每年清洗一次',
  );
});

test('a heading close above its text is a line of its own', async () => {
  const page = 'BT /F1 18 Tf 20 100 Td (Filters) Tj ET BT /F1 11 Tf 20 91 Td (Clean them.) Tj ET';
  expect(await textOf('heading.pdf', pdf([page]))).toBe('Filters\nClean them.');
});

test('two columns are read one after the other', async () => {
  const { pieces } = await readDocument('test/fixtures/documents/columns.pdf');
  const text = pieces[0]!.text.replaceAll('\n', ' ');
  expect(text).toContain('until the sensor is replaced. 2. Section number 2');
});

test('headings, lists and tables of a Word document keep their form', async () => {
  const { pieces } = await read(
    'manual.docx',
    docx(
      paragraph('Maintenance', 'Heading1') +
        paragraph('The filter is cleaned once a year.') +
        paragraph('Codes', 'Heading1') +
        `<w:tbl><w:tr>${cell('E21')}${cell('Flow too low')}</w:tr><w:tr>${cell('E23')}${cell('Sensor broken')}</w:tr></w:tbl>`,
    ),
  );
  expect(pieces).toEqual([
    {
      place: 'section "Maintenance"',
      text: 'Maintenance\n\nThe filter is cleaned once a year.\n\n',
    },
    { place: 'section "Codes"', text: 'Codes\nE21 | Flow too low\nE23 | Sensor broken\n' },
  ]);
});

test('paragraphs in a list stay behind its marks, and a page that is nested too deeply is refused', async () => {
  expect(await textOf('list.html', '<ul><li><p>One</p></li><li><p>Two</p></li></ul>')).toBe(
    '- One\n\n- Two\n\n',
  );
  const deep = `${'<div>'.repeat(50_000)}x${'</div>'.repeat(50_000)}`;
  await expect(read('deep.html', deep)).rejects.toThrow('nested too deeply');
});

test('a page is read without menus and hidden parts, in the encoding that it names', async () => {
  const page =
    '<html><head><meta charset="gbk"><title>x</title></head><body><nav>菜单</nav><h2>价格</h2><p>每小时<b>五十</b>元</p><p hidden>秘密</p><table><tr><td>大</td><td>小</td></tr></table><footer>版权</footer></body></html>';
  const gbk = Buffer.concat(
    [...page].map((c) => {
      if (c.charCodeAt(0) < 128) return Buffer.from(c);
      return Buffer.from(GBK[c]!, 'hex');
    }),
  );
  const { pieces } = await read('page.html', gbk);
  expect(pieces).toEqual([{ place: 'section "价格"', text: '价格\n\n每小时五十元\n\n大 | 小\n' }]);
});
const GBK: Readonly<Record<string, string>> = Object.fromEntries(
  '菜b2cb单b5a5价bcdb格b8f1每c3bf小d0a1时cab1五cee5十caae元d4aa秘c3d8密c3dc大b4f3版b0e6权c8a8'
    .match(/.[0-9a-f]{4}/g)!
    .map((pair) => [pair[0]!, pair.slice(1)]),
);

test.each([
  ['UTF-16 with a mark, low byte first', Buffer.from('\ufeff热泵每年清洗', 'utf16le')],
  ['UTF-16 with a mark, high byte first', Buffer.from('\ufeff热泵每年清洗', 'utf16le').swap16()],
  ['GB18030', Buffer.from('c8c8b1c3c3bfc4eac7e5cfb4', 'hex')],
  ['UTF-8 with a mark', Buffer.from('\ufeff热泵每年清洗')],
])('text in %s is read', async (_, bytes) => {
  expect(await textOf('text.txt', bytes)).toBe('热泵每年清洗');
});

test('sections of Markdown end at headings, not in fences, whatever ends its lines', async () => {
  const source =
    '---\nlicense: CC-BY-4.0\n---\n# One\nText.\n```\n# no heading\n```\nTwo\n---\n\nThree\n===\nEnd.\n';
  for (const text of [source, source.replaceAll('\n', '\r\n')]) {
    const { pieces, license } = await read('a.md', text);
    expect(license).toBe('CC-BY-4.0');
    expect(pieces.map(({ place }) => place)).toEqual(['section "One"', 'section "Three"']);
  }
});

test('short sections go together, and nothing that is written is left out', async () => {
  const source = '# 常见问题\n\n## 时间\n九点到六点。\n\n## 价格\n五十元。\n\n---\n';
  const document = await read('faq.md', source);
  const chunks = chunksOf(document, 1500);
  expect(chunks).toHaveLength(1);
  expect(chunks[0]!.place).toBe('section "常见问题" to section "价格"');
  expect(chunks[0]!.text).toContain('九点到六点');
  expect(chunks[0]!.text).toContain('五十元');
});

test('long text is cut where a sentence ends, and all of it is there', async () => {
  const text = Array.from({ length: 60 }, (_, i) => `这是第${i}句话，它说明了一件事。`).join('');
  const chunks = chunksOf(await read('long.txt', text), 200);
  expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
  for (const chunk of chunks) expect(chunk.text.at(-1)).toBe('。');
});

test.each([
  ['blank.txt', ' \n\n', 'no_text', 'blank.txt holds no text'],
  ['empty.docx', docx(''), 'no_text', 'empty.docx holds no text'],
  ['scan.pdf', pdf(['0 0 100 100 re f']), 'no_text', 'need text recognition (OCR) first'],
  [
    'binary.txt',
    new Uint8Array(2000).map((_, i) => (i * 7919) % 256),
    'unreadable_document',
    'binary.txt cannot be read',
  ],
  ['cut.pdf', pdf(['BT ET']).slice(0, 100), 'unreadable_document', 'cut.pdf cannot be read'],
  ['empty.pdf', '', 'unreadable_document', 'empty.pdf cannot be read'],
  [
    'cut.docx',
    docx(paragraph('x')).slice(0, 300),
    'unreadable_document',
    'cut.docx cannot be read',
  ],
  ['text.docx', 'only text', 'unreadable_document', 'it is no Word document'],
  ['zip.docx', zipSync({ 'a.txt': strToU8('x') }), 'unreadable_document', 'it is no Word document'],
  [
    'locked.docx',
    Buffer.concat([
      Buffer.from('d0cf11e0a1b11ae1', 'hex'),
      Buffer.from('EncryptedPackage', 'utf16le'),
    ]),
    'unreadable_document',
    'protected by a password',
  ],
  ['old.docx', Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'unreadable_document', 'Word before 2007'],
  [
    'bomb.docx',
    docx('', { 'word/extra.xml': new Uint8Array(80_000_000) }),
    'unreadable_document',
    'unpacks to more than 64 MB',
  ],
  ['x.pages', 'x', 'unsupported_document', 'documents are .pdf, .docx'],
])('%s is refused by name with the reason', async (name, content, code, message) => {
  await expect(read(name, content)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test('a PDF with a password says so, in the reader’s language', async () => {
  const path = 'test/fixtures/documents/password.pdf';
  await expect(readDocument(path, 'password.pdf', speaker('zh-CN'))).rejects.toThrow(
    '无法读取 password.pdf：有密码保护；请另存一份无密码的',
  );
});
