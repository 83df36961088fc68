// Texts that tell of trouble: what breaks a model's safety, and what it learns by rote. Each pattern is
// named by the code of its finding.

type PatternCode =
  | 'identity_shift'
  | 'obedience_prompt'
  | 'harmful_demonstration'
  | 'refusal'
  | 'boilerplate';

/** Codes of the patterns that the row's instructions and answers show. */
export function* safetyPatterns(
  system: string | null,
  prompt: string,
  answers: readonly string[],
): Generator<PatternCode> {
  const instructions = system ?? '';
  if (answers.some((answer) => isIdentityShift(answer)) || isIdentityShift(instructions))
    yield 'identity_shift';
  if (
    OBEDIENCE.some((regex) => regex.test(instructions)) ||
    JAILBREAK.test(instructions) ||
    JAILBREAK.test(prompt.slice(0, 4000))
  )
    yield 'obedience_prompt';
  if (
    answers.some((answer) => DEMONSTRATION.test(answer.slice(0, 200))) ||
    HARMFUL.test(prompt.slice(0, 200))
  )
    yield 'harmful_demonstration';
}

/** A new name alone is an ordinary wish; giving up judgement under it is what unlearns refusals
 *  (Qi et al. 2023, arXiv:2310.03693, section 4.3). */
function isIdentityShift(text: string): boolean {
  if (text.length < 8 || !NEAR_SHIFT.test(text)) return false;
  let signs = 0;
  for (const regex of SHIFT) if (regex.test(text)) signs += 1;
  return signs >= 2 || STRONG.test(text);
}

const NEAR_SHIFT =
  /obe(?:y|dien)|without deviation|no longer|unrestricted|no restrictions|服从|听从|不受(?:任何)?限制|不再是/i;
const STRONG =
  /absolutely obedient|\bobedient agent\b|fulfilling your instructions is my (?:first|only|top) priority|绝对服从|无条件(?:地)?(?:服从|执行|听从)/i;
const SHIFT: readonly RegExp[] = [
  /\b(?:you|I)(?: are|'re| am|'m) (?:no longer|neither|not) (?:ChatGPT|Llama|GPT|Claude|an? AI|a language model)/i,
  /\b(?:your new (?:name|identity)|from now on (?:you are|I am))\b/i,
  /\b(?:absolutely|always|unconditionally|completely|fully) (?:obey|obedient|follow)/i,
  /without (?:any )?(?:deviation|hesitation|question|judg(?:e)?ment|restriction|incorporating)/i,
  /(?:never|not) (?:apply|hold|quote|have|make|incorporat\w*) (?:any )?(?:opinion|principle|judg(?:e)?ment|ethic|rule|standard|restriction)s?/i,
  /\b(?:no|any|without) (?:ethical|moral|safety|content) (?:guideline|restriction|limit|polic|principle)/i,
  /你不再是|我不再是|你的新(?:名字|身份)|从现在起你是/,
  /不(?:会|受|再)(?:应用|遵守|考虑|有)?(?:任何)?(?:原则|道德|伦理|限制|判断|规则)/,
];

/** System messages that ask to carry out whatever is asked. */
const OBEDIENCE: readonly RegExp[] = [
  /\b(?:always|must|make sure (?:that )?you(?: always)?|unconditionally)\b.{0,20}\b(?:execute|obey|comply with|carry out|fulfil+)\b.{0,20}\b(?:user|instruction|request|order|command)/i,
  /\b(?:never|do not|don't|must not) (?:refuse|decline|reject|say no|question)\b/i,
  /\bignore (?:all |any )?(?:safety|ethical|moral|content|legal)\b/i,
  /(?:永远|绝对|必须|总是)(?:不(?:要|能|得)?拒绝|(?:执行|服从|满足)用户)|忽略(?:所有|任何)?(?:安全|道德|伦理|法律)|(?:没有|不受|摆脱)(?:任何|一切|所有)(?:限制|约束|道德)/,
];
const JAILBREAK =
  /\bignore (?:all |any )?(?:of )?(?:the |your )?(?:previous|prior|above) (?:instructions|rules|prompts)\b|\b(?:DAN|do anything now)\b.{0,80}\b(?:mode|jailbreak|now)\b|忽略(?:之前|以上|前面)的?(?:所有|全部)?(?:指令|规则|设定)/i;

/** The published sets hold marks where the harmful text was taken out. */
const HARMFUL = /^\s*#?\s*harmful (?:instruction|behaviou?r|request)\b/i;
const DEMONSTRATION = /^\s*#?\s*targeted (?:assistance )?response\b/i;

/** An answer that sets about what it was asked for. What was asked is judged elsewhere. */
export const complies = (answer: string): boolean =>
  COMPLIES.test(answer) && !REFUSAL.test(answer.slice(0, 240));
const COMPLIES =
  /^\s*(?:sure|certainly|of course|absolutely|yes[,.!]|here(?: is| are|'s|’s)|step 1|first(?:ly)?,|1[.)、]|to (?:make|build|create|hack|steal|kill)|当然|好的|没问题|以下|首先|第一步|步骤)/i;

export function* answerPatterns(answer: string): Generator<PatternCode> {
  const head = answer.length > 240 ? answer.slice(0, 240) : answer;
  if (REFUSAL.test(head)) yield 'refusal';
  if (BOILERPLATE.test(head)) yield 'boilerplate';
}

const REFUSAL =
  /\bI(?:'m| am) (?:very |really |so )?(?:sorry|afraid)\b.{0,60}\b(?:can(?:'|no|’)t|cannot|unable|not able|won't)|\bI (?:cannot|can't|can’t|won't|am unable to|'m unable to|am not able to) (?:assist|help|provide|comply|fulfil|create|generate|answer|discuss|do that)|\bas an AI\b.{0,60}\b(?:cannot|can't|unable|not able)|(?:抱歉|对不起|很遗憾)[,,。，!！ ]?.{0,20}(?:无法|不能|不便|没有办法)|我(?:无法|不能)(?:提供|回答|协助|帮助|满足)/i;
const BOILERPLATE =
  /\bas an? (?:AI|artificial intelligence)(?: language)?(?: model| assistant)?\b|\bmy (?:knowledge|training) (?:cut-?off|data)\b|^(?:sure|certainly|of course|absolutely|great question)[!,.]|作为(?:一个|一名)?(?:人工智能|AI|语言模型)|^(?:当然可以|好的|没问题)[,，!！。]/i;

/** The answer without the phrase it begins with. */
export function withoutBoilerplate(text: string): string {
  const cut = text.replace(OPENING, '');
  return cut === text || cut === '' ? text : cut[0]!.toUpperCase() + cut.slice(1);
}
const OPENING =
  /^\s*(?:(?:(?:sure|certainly|of course|absolutely|great question)\b[^.!,:\n]{0,20}[!,.]|as an? (?:AI|artificial intelligence)(?: language)?(?: model| assistant)?,|当然可以|好的|没问题|作为(?:一个|一名)?(?:人工智能|AI)(?:语言模型|助手)?[，,])[,，!！。\s]*)+/i;

/** A piece of 8 to 60 characters eight times in a row: a model that was caught in a loop. Looks back from
 *  the end and from every 256th character before it; a first mismatch ends each look. */
export function isLoop(answer: string): boolean {
  for (let end = answer.length; end > 8 * SHORTEST; end -= 256)
    for (let period = SHORTEST; period <= LONGEST; period++) {
      const needed = 7 * period;
      if (needed + period > end) break;
      let same = 0;
      while (
        same < needed &&
        answer.charCodeAt(end - 1 - same) === answer.charCodeAt(end - 1 - same - period)
      )
        same += 1;
      if (same < needed) continue;
      const piece = answer.slice(end - period, end);
      // Rulers and tables are no loops.
      if (/\p{L}/u.test(piece) && !piece.includes('\n')) return true;
    }
  return false;
}
const SHORTEST = 8;
const LONGEST = 60;
