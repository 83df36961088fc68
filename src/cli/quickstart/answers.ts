// Asks base and tuned model the same questions, none of which is in the training rows, and shows the
// answers side by side; then how to ask more.
import { readFile } from 'node:fs/promises';
import type OpenAI from 'openai';
import { z } from 'zod';
import type { Cli } from '../cli.ts';
import { displayWidth, pad, printLine } from '../output.ts';

const QUESTIONS = new URL('../../../assets/quickstart/questions.json', import.meta.url);
const LONGEST_ANSWER = 96; // tokens
const WIDEST = 120; // columns that are still easy to read

export type Answered = { readonly question: string; readonly base: string; readonly tuned: string };

export async function questions(): Promise<string[]> {
  return z
    .array(z.string())
    .min(1)
    .parse(JSON.parse(await readFile(QUESTIONS, 'utf8')));
}

export async function askBoth(
  cli: Cli,
  openai: OpenAI,
  models: { readonly base: string; readonly tuned: string },
  asked: readonly string[],
): Promise<Answered[]> {
  const answered: Answered[] = [];
  for (const question of asked) {
    const base = await ask(cli, openai, models.base, question);
    const tuned = await ask(cli, openai, models.tuned, question);
    answered.push({ question, base, tuned });
    show(cli, answered.at(-1)!);
  }
  return answered;
}

async function ask(cli: Cli, openai: OpenAI, model: string, question: string): Promise<string> {
  const answer = await openai.chat.completions.create(
    {
      model,
      messages: [{ role: 'user', content: question }],
      temperature: 0, // so that both runs of a reader say the same
      max_completion_tokens: LONGEST_ANSWER,
    },
    { signal: cli.signal },
  );
  return (answer.choices[0]?.message.content ?? '').trim();
}

function show(cli: Cli, { question, base, tuned }: Answered): void {
  const { say, stdout } = cli;
  const width = Math.floor((Math.min(stdout.columns ?? 100, WIDEST) - 3) / 2);
  const row = (left: string, right: string) => printLine(cli, `${pad(left, width)} │ ${right}`);
  printLine(cli, `\n${say('quick.question')}: ${question}`);
  row(say('quick.base'), say('quick.tuned'));
  row('─'.repeat(width), '─'.repeat(width));
  const left = wrap(base, width);
  const right = wrap(tuned, width);
  for (let i = 0; i < Math.max(left.length, right.length); i++) row(left[i] ?? '', right[i] ?? '');
}

/** Breaks at spaces, or inside a word that is wider than the column (Chinese has no spaces). */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.match(/\S+\s*|\s+/gu) ?? []) {
      if (displayWidth(line + word.trimEnd()) > width && line !== '') {
        lines.push(line.trimEnd());
        line = '';
      }
      for (const character of word) {
        if (displayWidth(line + character) > width && character.trim() !== '') {
          lines.push(line);
          line = '';
        }
        line += character;
      }
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

/** Commands that work as they are printed; test/quickstart.test.ts runs them. `keyFrom`: the variable that
 *  holds the API key, whose value must not be printed; null: none is needed. */
export function recipes(url: string, model: string, question: string, keyFrom: string | null) {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: question }] });
  const quoted = body.replaceAll("'", String.raw`'\''`); // for a single-quoted shell word
  const auth = keyFrom === null ? '' : ` -H "authorization: Bearer $${keyFrom}"`;
  const curl = `curl -s ${url}/chat/completions${auth} -H 'content-type: application/json' -d '${quoted}'`;
  const messages = `[{ role: 'user', content: ${JSON.stringify(question)} }]`;
  const sdk = [
    "import OpenAI from 'openai';",
    `const openai = new OpenAI({ baseURL: '${url}', apiKey: ${keyFrom === null ? "'none'" : `process.env.${keyFrom}`} });`,
    `const answer = await openai.chat.completions.create({ model: '${model}', messages: ${messages} });`,
    'console.log(answer.choices[0].message.content);',
  ].join('\n');
  return { curl, sdk };
}
