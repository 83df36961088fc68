// What a broken export, a wrong encoding, a template or a half-filled form leaves in a text, and how the
// text reads without it. Each pattern is named by the code of its finding.
import { isMojibake } from './mojibake.ts';

type TextCode =
  | 'placeholder'
  | 'special_tokens'
  | 'encoded_blob'
  | 'html_entities'
  | 'html_markup'
  | 'double_escaped'
  | 'no_break_space_inside'
  | 'replacement_character'
  | 'mojibake'
  | 'control_characters'
  | 'lone_surrogate'
  | 'mixed_scripts';

export function* textPatterns(text: string): Generator<TextCode> {
  if (MARKED.test(text)) {
    if (PLACEHOLDER.test(text)) yield 'placeholder';
    if (SPECIAL.test(text)) yield 'special_tokens';
    if (ENTITY.test(text)) yield 'html_entities';
    if (MARKUP.test(text) && !text.includes('```')) yield 'html_markup';
    if (isDoubleEscaped(text)) yield 'double_escaped';
  }
  if (isBlob(text)) yield 'encoded_blob';
  if (!ODD.test(text)) return;
  if (text.includes('\u00a0')) yield 'no_break_space_inside';
  if (text.includes('\ufffd')) yield 'replacement_character';
  if (isMojibake(text)) yield 'mojibake';
  if (CONTROL.test(text)) yield 'control_characters';
  if (!text.isWellFormed()) yield 'lone_surrogate';
  if (MIXED.test(text)) yield 'mixed_scripts';
}

const MARKED = /[<{[&\\#]|TODO|FIXME|TBD|[Ll]orem ipsum/;

const PLACEHOLDER =
  /\{\{\s*([a-zA-Z_][\w ]{0,30}?)\s*\}\}|<(NAME|AUTHOR|YOUR[_ ]?\w{1,20}|INSERT[_ ]\w{1,20}|PLACEHOLDER|TODO)>|\[(?:INSERT|YOUR) [A-Z ]{1,30}\]|\bTODO:|^\s*(?:TODO|FIXME|TBD)\b|\b[Ll]orem ipsum\b/;

/** What chat templates write between turns; in a text it makes the model see a turn that is none. */
const SPECIAL =
  /<\|[a-zA-Z][\w-]{1,30}\|>|<(?:start|end)_of_turn>|\[\/?INST\]|<<\/?SYS>>|<\/s>|<s>\s*\[|^###? ?(?:Response|Instruction|Input|Human|Assistant): *$/m;
const ALL_SPECIAL = new RegExp(SPECIAL.source, 'gm');
export const withoutSpecial = (text: string) =>
  SPECIAL.test(text) ? text.replaceAll(ALL_SPECIAL, '').trim() : text;

/** A picture or a key in base64 or hex: no words to learn from. */
function isBlob(text: string): boolean {
  const run = longRun(text);
  if (run === null) return text.includes(';base64,') && DATA.test(text);
  const capitals = run.replaceAll(/[^A-Z]/g, '').length / run.length;
  return (capitals > 0.1 && capitals < 0.9) || /^[0-9a-f]+$|^[0-9A-F]+$/.test(run);
}

/** Letters and digits without a gap. Looks backwards from where a run would end, so that ordinary text
 *  is passed over by leaps. */
function longRun(text: string): string | null {
  for (let end = RUN - 1; end < text.length; ) {
    let at = end;
    while (at > end - RUN && isBase64(text.charCodeAt(at))) at -= 1;
    if (at === end - RUN) return text.slice(at + 1, end + 1);
    end = at + RUN;
  }
  return null;
}
const RUN = 120;
const isBase64 = (code: number) =>
  (code >= 97 && code <= 122) ||
  (code >= 47 && code <= 57) ||
  (code >= 65 && code <= 90) ||
  code === 43;
const DATA = /data:[a-z]+\/[\w.+-]{1,40};base64,/;

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  reg: '®',
  trade: '™',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  bull: '•',
  middot: '·',
  deg: '°',
  euro: '€',
  pound: '£',
  yen: '¥',
  times: '×',
  laquo: '«',
  raquo: '»',
};
const ENTITY = new RegExp(
  `&(?:(${Object.keys(NAMED).join('|')})|#(\\d{2,6})|#x([0-9a-fA-F]{2,5}));`,
);
const ALL_ENTITIES = new RegExp(ENTITY.source, 'g');
export const withoutEntities = (text: string) =>
  text.replaceAll(ALL_ENTITIES, (whole, name?: string, dec?: string, hex?: string) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    const code = dec === undefined ? Number.parseInt(hex!, 16) : Number(dec);
    return code < 32 || (code >= 0xd800 && code <= 0xdfff) ? whole : String.fromCodePoint(code);
  });

const TAGS =
  'p|br|div|span|a|b|i|u|li|ul|ol|strong|em|td|tr|th|table|tbody|img|h[1-6]|font|script|style|body|html|head|hr|center|sup|sub';
const MARKUP = new RegExp(`</?(?:${TAGS})(?:\\s[^<>]{0,300})?/?>`, 'i');
const ALL_MARKUP = new RegExp(MARKUP.source, 'gi');
export const withoutMarkup = (text: string) =>
  MARKUP.test(text)
    ? text
        .replaceAll(/<\/(?:p|div|li|tr|h[1-6])>|<br\s*\/?>/gi, '\n')
        .replaceAll(ALL_MARKUP, '')
        .trim()
    : text;

/** `\n` and `\u4f60` written out, and no real line break: JSON that was encoded twice. */
function isDoubleEscaped(text: string): boolean {
  if (/(?:\\u[0-9a-fA-F]{4}){2}/.test(text)) return true;
  return !text.includes('\n') && /(?:^|[^\\])\\[nr](?![a-z])/.test(text) && !text.includes('`');
}
export const withoutEscapes = (text: string) =>
  !isDoubleEscaped(text)
    ? text
    : text.replaceAll(
        /\\(?:u([0-9a-fA-F]{4})|([nrt])(?![a-z])|(["/]))/g,
        (_, code, letter, quote) => {
          if (code !== undefined) return String.fromCharCode(Number.parseInt(code as string, 16));
          return quote ?? { n: '\n', r: '\r', t: '\t' }[letter as 'n' | 'r' | 't'];
        },
      );

const INVISIBLE = '\u00ad\u200b\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff';
const C0_C1 = '\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f';
/** Joiners make emoji and letters of India and Persia; between these letters they make nothing. */
const PLAIN = '\\p{sc=Latin}\\p{sc=Han}\\d';
const CONTROL = new RegExp(
  `[${C0_C1}${INVISIBLE}]|[\\u200c-\\u200f](?<=[${PLAIN}].)(?=[${PLAIN}\\s]|$)`,
  'u',
);
const ALL_CONTROL = new RegExp(CONTROL.source, 'gu');
export const withoutControl = (text: string) =>
  text.replaceAll(/[\u2028\u2029]/g, '\n').replaceAll(ALL_CONTROL, '');

/** Cyrillic and Greek letters that look like Latin ones. */
const LIKE: Readonly<Record<string, string>> = Object.fromEntries(
  'аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЅS οo ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX'
    .split(' ')
    .map((pair) => [pair[0]!, pair[1]!]),
);
const LOOKS = Object.keys(LIKE).join('');
/** Full-width letters. */
const WIDE = '\uff21-\uff3a\uff41-\uff5a';
const ALL_WIDE = new RegExp(`[${WIDE}]+`, 'g');
const ODD = new RegExp(
  `[${C0_C1}\xa0-\xff\u200b-\u200f\u2028-\u202e\u2060-\u206f\u20ac\ud800-\udfff\ufffd\ufeff\uff21-\uff5a${LOOKS}锛銆鐨鏄鍦鎴鍙鍥浣鐢鈥锟烫]`,
);
const MIXED = new RegExp(`[A-Za-z][${LOOKS}]|[${LOOKS}][A-Za-z]|[${WIDE}]{3}`);
/** Look-alikes become Latin in words that have Latin letters, and everywhere with `all`. */
export const asLatin = (text: string, all = false) =>
  text
    .replaceAll(ALL_WIDE, (letters) => letters.normalize('NFKC'))
    .replaceAll(/[\p{L}\p{M}]+/gu, (word) =>
      all || /[A-Za-z]/.test(word) ? word.replaceAll(/./gu, (char) => LIKE[char] ?? char) : word,
    );
