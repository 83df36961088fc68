// What question and answer show together: an answer that is none, or that is the question.
type PairCode =
  | 'blank_prompt'
  | 'short_answer'
  | 'null_answer'
  | 'url_only'
  | 'role_markers'
  | 'echo'
  | 'prompt_in_answer'
  | 'edge_spaces';

/** `asked` null where nothing is asked, as in plain text; `completion`: white space at its edges is meant. */
export function* pairPatterns(
  asked: string | null,
  answer: string,
  completion: boolean,
): Generator<PairCode> {
  const question = asked?.trim() ?? '';
  const said = answer.trim();
  if (asked !== null && asked !== '' && question === '') yield 'blank_prompt';
  if (said === '') return;
  if (said.length < SHORT || !/[\p{L}\p{N}]/u.test(said.slice(0, 200))) yield 'short_answer';
  if (said.length < 60 && NULL.test(said)) yield 'null_answer';
  if (LINK.test(said)) yield 'url_only';
  if (ROLE.test(said)) yield 'role_markers';
  if (said.length === question.length && said.toLowerCase() === question.toLowerCase()) {
    if (isLonger(said, 12)) yield 'echo';
  } else if (isLonger(question, 24) && said.includes(question)) yield 'prompt_in_answer';
  if (completion ? /[^\S\n]$/.test(answer.slice(-1)) : said.length !== answer.length)
    yield 'edge_spaces';
}

/** A label may be one character; an answer to a question is rarely that short. */
const SHORT = 2;

/** What programs write where there is no value. */
const NULL =
  /^(?:n\/?a|null|none|nil|nan|undefined|tbd|#n\/a|#value!|#ref!|#div\/0!|#name\?|\[object object\]|<null>|\(null\)|\(blank\)|error:.{0,40})$/i;
const LINK = /^<?(?:https?:\/\/|www\.)\S+>?(?:\s+<?(?:https?:\/\/|www\.)\S+>?)*$/i;

/** In letters; a Chinese character says about as much as three. */
export function isLonger(text: string, letters: number): boolean {
  let sum = text.length;
  for (let i = 0; i < text.length && sum <= letters; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x3040 && code <= 0xd7af) sum += 2;
  }
  return sum > letters;
}

/** A dialogue that was not split into turns. */
const ROLE = /(?:^|\n)[ \t#*]*(?:User|Human|Assistant|用户|助手)[ *]*[:：]/;
/** The answer up to where another turn begins; the words behind a mark at its very beginning. */
export const withoutTurns = (answer: string): string =>
  answer
    .trim()
    .replace(/^[ \t#*]*(?:Assistant|助手)[ *]*[:：]\s*/, '')
    .split(ROLE)[0]!
    .trim();

/** The answer without the question that it repeats. */
export const withoutPrompt = (asked: string, answer: string): string =>
  answer.replaceAll(asked.trim(), '').replace(/^[\s:：\-–—]+/, '');
