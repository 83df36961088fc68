// tunery chat -m MODEL ["question"]: streams the answer; without a question, a conversation.
import { createInterface } from 'node:readline';
import { defineCommand } from 'citty';
import { decimal, remote, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { type Client, connect } from '../client.ts';
import { note, printJson } from '../output.ts';
import { ChatChunk } from '../wire.ts';

type Message = { readonly role: 'system' | 'user' | 'assistant'; readonly content: string };
type Sampling = { readonly temperature?: number; readonly max_tokens?: number };

export function chatCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'chat', description: say('cli.chat') },
    args: {
      question: { type: 'positional', description: say('arg.question'), required: false },
      model: {
        type: 'string',
        alias: 'm',
        description: say('arg.model'),
        required: true,
        valueHint: 'NAME',
      },
      system: { type: 'string', alias: 's', description: say('arg.system'), valueHint: 'TEXT' },
      temperature: { type: 'string', description: say('arg.temperature'), valueHint: 'X' },
      'max-tokens': { type: 'string', description: say('arg.max_tokens'), valueHint: 'N' },
      ...remote(cli),
    },
    async run({ args }) {
      const { temperature, 'max-tokens': longest } = args;
      const sampling: Sampling = {
        ...(temperature === undefined
          ? {}
          : { temperature: decimal(say, '--temperature', temperature, 0, 2) }),
        ...(longest === undefined
          ? {}
          : { max_tokens: wholeNumber(say, '--max-tokens', longest, 1, 1_000_000) }),
      };
      const client = connect(cli, args['base-url']);
      const messages: Message[] =
        args.system === undefined ? [] : [{ role: 'system', content: args.system }];
      const turn = (question: string) => {
        messages.push({ role: 'user', content: question });
        return ask(cli, client, { model: args.model, messages, ...sampling }, args.json === true);
      };
      if (args.question !== undefined) {
        await turn(args.question);
        return;
      }
      if (cli.stdin.isTTY) note(cli, say('chat.hint', { model: args.model }));
      for await (const question of questions(cli)) {
        messages.push({ role: 'assistant', content: await turn(question) });
      }
    },
  });
}

type ChatRequest = Sampling & { readonly model: string; readonly messages: readonly Message[] };

async function ask(cli: Cli, client: Client, request: ChatRequest, json: boolean): Promise<string> {
  let answer = '';
  let finish: string | null = null;
  const chunks = client.events('/chat/completions', ChatChunk, { ...request, stream: true });
  for await (const { choices } of chunks) {
    const text = choices[0]?.delta.content ?? '';
    finish = choices[0]?.finish_reason ?? finish;
    answer += text;
    if (!json) cli.stdout.write(text);
  }
  if (json) printJson(cli, { model: request.model, answer, finish_reason: finish });
  else cli.stdout.write('\n');
  if (!json && finish === 'length') note(cli, cli.say('chat.cut'));
  return answer;
}

/** Lines of the terminal or of a pipe, up to an empty one or the end. */
async function* questions({ stdin, stderr, signal }: Cli): AsyncGenerator<string> {
  const terminal = stdin.isTTY === true;
  const lines = createInterface({ input: stdin, output: stderr, terminal, prompt: '> ' });
  lines.on('SIGINT', () => lines.close());
  signal.addEventListener('abort', () => lines.close(), { once: true });
  try {
    if (terminal) lines.prompt();
    for await (const line of lines) {
      if (line.trim() === '') return;
      yield line;
      if (terminal) lines.prompt();
    }
  } finally {
    lines.close();
  }
}
