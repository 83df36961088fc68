// The language of a text, from its script and, for Latin letters, its commonest words. Meant for the
// mix of a whole file: a short text may stay 'other'.

const SAMPLE = 300;

/** ISO 639-1, 'code' for what looks like a program, 'other' where nothing tells. */
export function languageOfText(text: string): string {
  const head = text.length > SAMPLE ? text.slice(0, SAMPLE) : text;
  let [latin, han, kana, hangul, cyrillic, arabic, other] = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < head.length; i++) {
    const c = head.charCodeAt(i);
    if (c < 0x41) continue;
    if (c < 0x250) {
      if (c < 0x5b || (c > 0x60 && c < 0x7b) || c >= 0xc0) latin += 1;
    } else if (c >= 0x4e00 && c <= 0x9fff) han += 1;
    else if (c >= 0x3040 && c <= 0x30ff) kana += 1;
    else if (c >= 0xac00 && c <= 0xd7af) hangul += 1;
    else if (c >= 0x400 && c <= 0x52f) cyrillic += 1;
    else if (c >= 0x600 && c <= 0x6ff) arabic += 1;
    else if (c >= 0x370 && c < 0x2000) other += 1;
  }
  // A Chinese character says about as much as three letters.
  if (kana > 2 && kana * 4 > han) return 'ja';
  if (han > 0 && han * 3 >= latin) return 'zh';
  if (hangul * 2 > latin) return 'ko';
  if (cyrillic > latin) return 'ru';
  if (arabic > latin) return 'ar';
  if (other > latin || latin < 3) return 'other';
  return latinLanguage(head);
}

const COMMON: readonly (readonly [string, ReadonlySet<string>])[] = (
  [
    [
      'en',
      'the of and to in is you that it for was on are with as his they at be this have from or had by but what were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into has more my i me not',
    ],
    [
      'de',
      'der die und das ist nicht ich du ein eine zu mit den von sie es auf für dem im sich auch wie bei oder wir sind werden kann aber',
    ],
    [
      'fr',
      'le la les et est une des que pour dans pas vous je il elle sur avec ce qui au du en nous sont mais ou',
    ],
    ['es', 'el los las y es una que para en no por con su se como más pero del al lo esta son qué'],
    ['pt', 'o os as e é uma que para em não por com seu se como mais mas do da ao isso são você'],
    ['it', 'il gli e è una che per in non con su si come più ma del della al lo questo sono'],
    ['nl', 'de het en een van ik te dat die in je niet zijn is op aan met voor maar er'],
    ['vi', 'và của là có không được cho một trong các tôi bạn với người này'],
  ] as const
).map(([language, words]) => [language, new Set(words.split(' '))]);

function latinLanguage(text: string): string {
  const words = text.toLowerCase().match(/[\p{L}']+/gu) ?? [];
  let best = 'other';
  let most = 0;
  for (const [language, common] of COMMON) {
    let hits = 0;
    for (const word of words) if (common.has(word)) hits += 1;
    if (hits > most) [best, most] = [language, hits];
  }
  if (/[{};]\s*(\n|$)|=>|\bfunction\b|\bdef \w+\(|<\/\w+>/.test(text) && most < words.length / 6)
    return 'code';
  // Plain ASCII words without any common one are nearly always English names or terms.
  return most === 0 && !/[^\p{ASCII}]/u.test(text) && words.length > 1 ? 'en' : best;
}
