// What a model is asked for about a stretch of text, and how its answer becomes rows.
import type { Question } from './ask.ts';

export type Pair = { readonly question: string; readonly answer: string };

export const questionPrompt = (text: string, count: number, language: string | null): Question => ({
  messages: [
    {
      role: 'system',
      content:
        'You write training data. Use only what the text says; write questions that can be understood without seeing the text.',
    },
    {
      role: 'user',
      content:
        `Write ${count} question${count === 1 ? '' : 's'} that the text below answers, each with a complete answer, ` +
        `in ${language ?? 'the language of the text'}. Reply with JSON only: ` +
        `{"pairs": [{"question": "…", "answer": "…"}]}\n\nText:\n${text}`,
    },
  ],
  format: listFormat('pairs', ['question', 'answer'], count),
});

/** A list of objects with these texts, as the API describes what an answer must be. */
export const listFormat = (name: string, keys: readonly string[], count: number) => ({
  type: 'json_schema',
  json_schema: {
    name,
    strict: true,
    schema: {
      type: 'object',
      properties: {
        [name]: {
          type: 'array',
          minItems: 1,
          maxItems: count,
          items: {
            type: 'object',
            properties: Object.fromEntries(keys.map((key) => [key, { type: 'string' }])),
            required: keys,
            additionalProperties: false,
          },
        },
      },
      required: [name],
      additionalProperties: false,
    },
  },
});

/** Pairs in a model's reply: the JSON that was asked for, or lines with Q: and A:. Of a reply that was cut
 *  off, those that are whole; and none twice. */
export function pairsIn(reply: string, cut = false): Pair[] {
  const pairs = allPairsIn(withoutThoughts(reply));
  if (cut && endsInside(reply)) {
    const last = pairs.pop();
    const answer = wholeSentences(last?.answer ?? '');
    if (last !== undefined && answer !== '') pairs.push({ ...last, answer });
  }
  const seen = new Set<string>();
  return pairs.filter((pair) => {
    const text = JSON.stringify(pair);
    return !seen.has(text) && seen.add(text);
  });
}

/** Up to the end of the last sentence; '' where none ends. */
export const wholeSentences = (text: string) =>
  /^[\s\S]*(?:[。！？]|[.!?]["')\]]?(?![\p{L}\p{N}]))/u.exec(text)?.[0] ?? '';

/** Whether the last pair may be the one that was cut: a list of JSON ends after whole objects only, unless
 *  an endpoint that promises JSON has closed it in the middle. */
export const endsInside = (reply: string) => {
  const text = reply.trim();
  return !text.includes('{') || text.endsWith('}]}');
};

function allPairsIn(said: string): Pair[] {
  const pairs = objectsIn(said).flatMap(asPair);
  if (pairs.length > 0) return pairs;
  const found = said.matchAll(
    /(?:^|\n)\s*(?:\d+[.)]\s*)?(?:Q(?:uestion)?|问(?:题)?)\s*\d*\s*[:：]\s*(.+?)\n+\s*(?:A(?:nswer)?|答(?:案)?)\s*\d*\s*[:：]\s*([\s\S]+?)(?=\n\s*(?:\d+[.)]\s*)?(?:Q(?:uestion)?|问(?:题)?)\s*\d*\s*[:：]|\s*$)/gi,
  );
  return [...found].flatMap(([, question, answer]) => asPair({ question, answer }));
}

/** Reasoning models think aloud before they answer. */
export const withoutThoughts = (reply: string) => reply.replace(/^[\s\S]*<\/think>/, '');

/** Every object in a text that holds no other object, in order: of a list that was cut off, those that
 *  are whole. */
export function objectsIn(text: string): object[] {
  const found: object[] = [];
  let start = -1;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"' && start >= 0) quoted = true;
    else if (character === '{') start = at;
    else if (character === '}' && start >= 0) {
      try {
        found.push(JSON.parse(text.slice(start, at + 1)) as object);
      } catch {
        // Small models forget a comma; the others may still be whole.
      }
      start = -1;
    }
  }
  return found;
}

/** Weak models repeat the dots of the form that was asked for. */
export const saysSomething = (text: string) => /[\p{L}\p{N}]/u.test(text);

function asPair(item: object): Pair[] {
  const { question, answer } = item as Record<string, unknown>;
  if (typeof question !== 'string' || typeof answer !== 'string') return [];
  const pair = { question: question.trim(), answer: answer.trim() };
  return saysSomething(pair.question) && saysSomething(pair.answer) ? [pair] : [];
}
