// Self-taught reasoning (Zelikman et al. 2022, arXiv:2203.14465): a model reasons from an example on, and
// what ends in the right answer is kept.
import type { Question } from './ask.ts';
import { withoutThoughts } from './question-rows.ts';

export const rationalePrompt = (question: string): Question => ({
  messages: [
    {
      role: 'system',
      content: 'Think step by step, then finish with a last line of the form "Answer: …".',
    },
    {
      role: 'user',
      content:
        'Q: There are 3 cars in the lot and 2 more arrive. How many cars are there?\n' +
        'Reasoning: 3 cars were there and 2 arrive, so there are 3 + 2 = 5 cars.\nAnswer: 5\n\n' +
        `Q: ${question}\nReasoning:`,
    },
  ],
});

/** A reply up to where a small model invents the next question. */
export const rationaleIn = (reply: string) =>
  withoutThoughts(reply)
    .split(/\n\s*Q:/, 1)[0]!
    .trim();

/** Whether a rationale ends in the answer of a reference. Where that is a number, its notation does not
 *  matter (`72`, `$72.00`); else the words must be the same. */
export function endsIn(rationale: string, reference: string): boolean {
  const [given, wanted] = [finalAnswer(rationale), finalAnswer(reference)];
  const number = onlyNumber(wanted);
  if (number === null) return plain(given) === plain(wanted) && plain(wanted) !== '';
  const numbers = given.match(NUMBER) ?? [];
  return numbers.length === 1 && asNumber(numbers[0]) === number;
}

/** gsm8k marks its answers with `####`. */
function finalAnswer(text: string): string {
  const marked =
    /(?:####|(?:final )?answer\s*(?:is)?\s*[:：]|答案\s*(?:[是为]\s*[:：]?|[:：]))\s*([^\n]+)\s*$/i.exec(
      text.trim(),
    );
  return (marked?.[1] ?? text.trim().split('\n').at(-1) ?? '').trim();
}

const NUMBER = /-?\d[\d,]*(?:\.\d+)?/g;
const asNumber = (text: string) => Number(text.replaceAll(',', ''));

function onlyNumber(text: string): number | null {
  const found = /^[$€£¥￥]?\s*(-?\d[\d,]*(?:\.\d+)?)\s*[%.。]?$/.exec(text);
  return found === null ? null : asNumber(found[1]!);
}

const plain = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[\s.。!！"'`*]+/g, ' ')
    .trim();
