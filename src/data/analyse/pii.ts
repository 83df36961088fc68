// Personal data and secrets in text: where they are and what they are. Numbers are believed only when
// their check digits are right, so that ordinary figures stay what they are.

export const PII_KINDS = ['email', 'phone', 'id_card', 'bank_card', 'secret'] as const;
export type PiiKind = (typeof PII_KINDS)[number];
export type PiiSpan = { readonly kind: PiiKind; readonly start: number; readonly end: number };

/** In the order of the text; where two overlap, the earlier and longer one. */
export function findPii(text: string): readonly PiiSpan[] {
  if (!WORTH_LOOKING.test(text)) return NONE;
  const found: PiiSpan[] = [];
  const take = (kind: PiiKind, regex: RegExp, accept: (match: string) => boolean = () => true) => {
    for (const match of text.matchAll(regex))
      if (accept(match[0]))
        found.push({ kind, start: match.index, end: match.index + match[0].length });
  };
  for (const secret of SECRETS) take('secret', secret);
  if (text.includes('@')) take('email', EMAIL, isAddress);
  if (DIGITS.test(text)) {
    take('id_card', ID_CARD, isChineseId);
    take('id_card', SOCIAL_SECURITY);
    take('bank_card', CARD, isBankCard);
    take('bank_card', IBAN, isIban);
    for (const phone of PHONES) take('phone', phone);
  }
  if (found.length < 2) return found;
  // A password in front of @ looks like an address.
  const rank = ({ kind }: PiiSpan) => (kind === 'secret' ? 0 : 1);
  found.sort((a, b) => a.start - b.start || rank(a) - rank(b) || b.end - a.end);
  let end = -1;
  return found.filter((span) => {
    if (span.start < end) return false;
    end = span.end;
    return true;
  });
}

const NONE: readonly PiiSpan[] = [];
const WORTH_LOOKING =
  /@|\d{3}[\d ()./-]{4}|\+\d[\d ()./-]{6}|sk-|AKIA|LTAI|AKID|[srp]k_(?:live|test)_|SG\.|dop_v1_|shpat_|ya29|bearer |gh[pousr]_|github_pat_|xox|AIza|PRIVATE KEY|eyJ|hf_|npm_|glpat-|password|passwd|secret|api[_-]?key|密码|口令/i;
const DIGITS = /\d[\d ()./-]{6}/;

const EMAIL =
  /(?<![\w.+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z]{2,24}(?![\w])/g;
/** `image@2x.png` is a file; example.com belongs to nobody (RFC 2606). */
const isAddress = (match: string) =>
  !/\.(png|jpe?g|gif|svg|webp|js|css)$/i.test(match) &&
  !/@(.*\.)?example\.(com|org|net)$|\.(example|invalid|test)$/i.test(match);

const PHONES: readonly RegExp[] = [
  /(?<![\w.+-])(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:\d{8}|[ -]\d{4}[ -]\d{4})(?![\w-])/g,
  /(?<![\w.-])0(?:10|2\d|[3-9]\d{2})-[2-8]\d{6,7}(?![\w-])/g,
  /[(（]0(?:10|2\d|[3-9]\d{2})[)）][ -]?[2-8]\d{6,7}(?![\w-])/g,
  /(?<![\w.+-])\+(?!86)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){2,3}(?![\w-])/g,
  /(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[.-]\d{4}(?![\w-])/g,
];

const ID_CARD = /(?<![\w])[1-9]\d{16}[\dXx](?![\w])/g;
const SOCIAL_SECURITY = /(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])/g;
const CARD =
  /(?<![\w.])[2-6]\d{3}(?:\d{9,15}|(?:[ -]\d{4}){3}[ -]\d{1,3}|[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|[ -]\d{6}[ -]\d{5})(?![\w])/g;

const IBAN = /(?<![\w])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w])/g;

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/** GB 11643-1999: a date, and a check digit of ISO 7064 mod 11-2. */
function isChineseId(number: string): boolean {
  const [year, month, day] = [number.slice(6, 10), number.slice(10, 12), number.slice(12, 14)];
  if (year < '1900' || year > '2099') return false;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return false;
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(number[i]), 0);
  return '10X98765432'[sum % 11] === number[17]!.toUpperCase();
}

/** Luhn's check digit, and a length that the issuer uses. */
function isBankCard(written: string): boolean {
  const digits = written.replaceAll(/[ -]/g, '');
  if (!ISSUERS.test(digits) || /^(\d)\1+$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const twice = digit * 2;
    sum += i % 2 === 0 ? digit : twice > 9 ? twice - 9 : twice;
  }
  return sum % 10 === 0;
}
const ISSUERS =
  /^(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|62\d{14,17}|3[47]\d{13}|6011\d{12}|65\d{14}|35\d{14}|30[0-5]\d{11}|3[68]\d{12})$/;

/** ISO 13616: country and check digits go to the end, letters count from 10, and 97 leaves 1. */
function isIban(written: string): boolean {
  const plain = written.replaceAll(' ', '');
  if (plain.length < 15 || plain.length > 34) return false;
  let rest = 0;
  for (const char of plain.slice(4) + plain.slice(0, 4))
    for (const digit of String(Number.parseInt(char, 36))) rest = (rest * 10 + Number(digit)) % 97;
  return rest === 1;
}

const SECRETS: readonly RegExp[] = [
  /(?<![\w-])sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,}/g,
  /(?<![A-Z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Z0-9])/g,
  /(?<![\w])LTAI[0-9A-Za-z]{12,20}(?![\w])/g,
  /(?<![\w])gh[pousr]_[A-Za-z0-9]{36,}/g,
  /(?<![\w])github_pat_[A-Za-z0-9_]{22,}/g,
  /(?<![\w])xox[abprs]-[A-Za-z0-9-]{10,}/g,
  /(?<![\w])AIza[0-9A-Za-z_-]{35}(?![\w-])/g,
  /(?<![\w])hf_[A-Za-z0-9]{30,}/g,
  /(?<![\w])npm_[A-Za-z0-9]{36}(?![\w])/g,
  /(?<![\w])glpat-[A-Za-z0-9_-]{20,}/g,
  /(?<![\w])(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}/g,
  /(?<![\w])AKID[A-Za-z0-9]{28,36}(?![\w])/g,
  /(?<![\w])SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/g,
  /(?<![\w])(?:dop_v1_[a-f0-9]{64}|shpat_[a-fA-F0-9]{32}|ya29\.[A-Za-z0-9_-]{30,})/g,
  /(?<=\b[Bb]earer )(?=[^\s]*\d)[A-Za-z0-9._~+/-]{20,}/g,
  /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:[\s\S]{0,8000}?-----END (?:[A-Z]+ )?PRIVATE KEY-----)?/g,
  /(?<![\w-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/g,
  // A password that is given away in passing: letters and digits together, so that prose is not meant.
  /(?<=(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?(?:token|key)|auth[_-]?token|密码|口令)["']?\s{0,3}(?:[:=：]|是|为)\s{0,3}["']?)(?=[^\s"']*\d)(?=[^\s"']*[A-Za-z])(?!https?:)[A-Za-z0-9!@#$%^&*_+.~/=-]{8,}/gi,
  /(?<=:\/\/[\w.-]{1,40}:)[^\s:@/]{3,}(?=@[\w.-]+)/g,
];
