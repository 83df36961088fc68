// Text that was read in the wrong encoding at some time: how it shows, and how to undo it.

/** UTF-8 read as Windows-1252 (â€™, Ã©, ä½ å¥½, ÐŸÑ€), GBK read as Latin-1 (ÄãºÃ), UTF-8 read as
 *  GBK (浣犲ソ), and what is left of texts that went there and back (锟斤拷, 烫烫烫). */
export function isMojibake(text: string): boolean {
  if (CERTAIN.test(text)) return true;
  if ((text.match(THREE_BYTES)?.length ?? 0) >= 2 && unmojibake(text) !== null) return true;
  if (LATIN_RUN.test(text) && unmojibake(text) !== null) return true;
  return (text.match(RARE_HAN)?.length ?? 0) >= 2 && isUtf8AsGbk(text);
}

const CERTAIN =
  /â€[™œ\u009d"¦“”˜]|Ã[\u0080-\u00bf©¨ª«®¯±³´¶¼¡¢£¤¥§]|Â[\u00a0-\u00bf]|ï»¿|锟斤拷|烫烫烫|鈥[攄檚滐]|[äåæçè][\u0080-\u00bf][\u0080-\u00bf]/;
/** The characters that Windows-1252 has for the bytes 0x80 to 0x9f. */
const HIGH =
  '\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178';
const THREE_BYTES = new RegExp(
  `[à-ï][\u0080-\u00bf${HIGH}]{2}|(?:[ÐÑ][\u0080-\u00bf${HIGH}]){2}`,
  'g',
);
/** No language writes that many letters with accents in a row. */
const LATIN_RUN = /[\u00a1-\u00ff]{4}/;
/** Characters that stand for the first two bytes of the commonest Chinese ones, and are rare themselves. */
const RARE_HAN = /[锛銆鐨鏄鍦鎴鍙鍥浣鐢鏈鍚璇闂浠涓鍒杩瑕]/g;

/** The text as it was before, stretch by stretch; null where nothing comes out. */
export function unmojibake(text: string): string | null {
  let changed = false;
  const out = text.replaceAll(STRANGE, (stretch) => {
    const fixed = fromLatin(stretch) ?? fromGbk(stretch);
    if (fixed === null || fixed === stretch) return stretch;
    changed = true;
    return fixed;
  });
  return changed ? out : null;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: everything but ASCII
const STRANGE = /[^\x00-\x7f]+/g;

function fromLatin(stretch: string): string | null {
  const bytes: number[] = [];
  for (const char of stretch) {
    const code = char.codePointAt(0)!;
    const byte = code < 0x100 ? code : WINDOWS_1252.get(char);
    if (byte === undefined) return null;
    bytes.push(byte);
  }
  const utf8 = decoded('utf-8', bytes);
  // é’” may also be the end of a quotation.
  if (utf8 !== null && !/^\p{sc=Han}$/u.test(utf8)) return utf8;
  if (!LATIN_RUN.test(stretch)) return null;
  const gbk = decoded('gbk', bytes);
  return gbk !== null && /^[\p{sc=Han}\p{P}\u3000-\u303f\uff00-\uffef]+$/u.test(gbk) ? gbk : null;
}

function fromGbk(stretch: string): string | null {
  if (!new RegExp(RARE_HAN.source).test(stretch)) return null;
  const bytes = gbkBytes(stretch);
  // Shorter where a character is not in GBK.
  const whole = 2 * stretch.length - (stretch.split('€').length - 1);
  return bytes.length === whole ? decoded('utf-8', bytes) : null;
}

/** Some bytes are lost on the way, so that the whole seldom comes back; that most of it does is proof. */
function isUtf8AsGbk(text: string): boolean {
  let [good, bad] = [0, 0];
  for (const [stretch] of text.matchAll(STRANGE)) {
    const back = new TextDecoder('utf-8').decode(Uint8Array.from(gbkBytes(stretch)));
    good += back.match(/[\p{sc=Han}\u3000-\u303f\uff00-\uffef]/gu)?.length ?? 0;
    bad += back.match(/\ufffd/g)?.length ?? 0;
  }
  return good >= 2 && bad * 3 <= good;
}

function decoded(encoding: string, bytes: readonly number[]): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(Uint8Array.from(bytes));
  } catch {
    return null;
  }
}

const WINDOWS_1252 = new Map(
  Array.from({ length: 32 }, (_, i) => [
    new TextDecoder('windows-1252').decode(Uint8Array.of(0x80 + i)),
    0x80 + i,
  ]),
);

let table: Map<string, number> | null = null;
/** Leaves out what is not in GBK. The platform decodes GBK and does not encode it. */
function gbkBytes(text: string): number[] {
  table ??= gbkTable();
  const bytes: number[] = [];
  for (const char of text) {
    const pair = table.get(char);
    if (pair === undefined) continue;
    if (pair > 0xff) bytes.push(pair >> 8);
    bytes.push(pair & 0xff);
  }
  return bytes;
}

function gbkTable(): Map<string, number> {
  const decoder = new TextDecoder('gbk');
  const known = new Map<string, number>([['€', 0x80]]);
  for (let lead = 0x81; lead <= 0xfe; lead++)
    for (let trail = 0x40; trail <= 0xfe; trail++) {
      const char = decoder.decode(Uint8Array.of(lead, trail));
      if (!char.includes('\ufffd') && !known.has(char)) known.set(char, lead * 256 + trail);
    }
  return known;
}
