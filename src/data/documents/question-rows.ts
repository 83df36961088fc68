// What a model is asked for, and how its answer becomes rows.
import type { Chunk } from './extract.ts';

export type Pair = { readonly question: string; readonly answer: string };

export const questionPrompt = ({ text }: Chunk, count: number, language: string | null) => [
  {
    role: 'system',
    content:
      'You write training data. Use only what the text says; write questions that can be understood without seeing the text.',
  },
  {
    role: 'user',
    content:
      `Write ${count} question${count === 1 ? '' : 's'} that the text below answers, each with a complete answer, ` +
      `in ${language ?? 'the language of the text'}. Reply with a JSON list only: ` +
      `[{"question": "…", "answer": "…"}]\n\nText:\n${text}`,
  },
];

/** Pairs in a model's reply: the JSON list that was asked for, or lines with Q: and A:. */
export function pairsIn(reply: string): Pair[] {
  const from = reply.indexOf('[');
  const to = reply.lastIndexOf(']');
  if (from >= 0 && to > from) {
    try {
      const list: unknown = JSON.parse(reply.slice(from, to + 1));
      if (Array.isArray(list)) return list.flatMap(asPair);
    } catch {
      // Small models forget a comma; the other form may still fit.
    }
  }
  const found = reply.matchAll(
    /(?:^|\n)\s*(?:\d+[.)]\s*)?(?:Q(?:uestion)?|问(?:题)?)\s*\d*\s*[:：]\s*(.+?)\n+\s*(?:A(?:nswer)?|答(?:案)?)\s*\d*\s*[:：]\s*([\s\S]+?)(?=\n\s*(?:\d+[.)]\s*)?(?:Q(?:uestion)?|问(?:题)?)\s*\d*\s*[:：]|\s*$)/gi,
  );
  return [...found].flatMap(([, question, answer]) => asPair({ question, answer }));
}

function asPair(item: unknown): Pair[] {
  if (typeof item !== 'object' || item === null) return [];
  const { question, answer } = item as Record<string, unknown>;
  if (typeof question !== 'string' || typeof answer !== 'string') return [];
  const pair = { question: question.trim(), answer: answer.trim() };
  return pair.question === '' || pair.answer === '' ? [] : [pair];
}

/** Self-taught reasoning (Zelikman et al. 2022, arXiv:2203.14465): a rationale that ends in the answer. */
export const rationalePrompt = (question: string) => [
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
];

/** The answer at the end of a reply or of a reference (gsm8k writes `#### 72`), in a form to compare. */
export function finalAnswer(text: string): string {
  const marked = /(?:####|(?:final )?answer\s*(?:is)?\s*[:：]|答案\s*[:：是])\s*([^\n]+)\s*$/i.exec(
    text.trim(),
  );
  const answer = (marked?.[1] ?? text.trim().split('\n').at(-1) ?? '').trim();
  const number = /-?\d[\d,]*(?:\.\d+)?/.exec(answer);
  if (number !== null) return String(Number(number[0].replaceAll(',', '')));
  return answer
    .toLowerCase()
    .replaceAll(/[\s.。!！"'`*]+/g, ' ')
    .trim();
}
