// tunery keys create | list | revoke: through the server that runs, or without one straight in a data
// directory. Only `create` ever shows a key: alone on stdout, so that a script can take it.
import { defineCommand } from 'citty';
import type { z } from 'zod';
import { retell } from '../../messages/retell.ts';
import { openKeys } from '../../server/auth-offline.ts';
import { common, decimal, wholeNumber } from '../arguments.ts';
import { type Cli, DEFAULT_BASE_URL } from '../cli.ts';
import { connect } from '../client.ts';
import { Failure, reasonOf, usageError } from '../failure.ts';
import { formatTime, note, printJson, printLine, printTable } from '../output.ts';
import { defaultDataDir } from '../places.ts';
import { ApiKey, Deleted, listOf, NewApiKey } from '../wire.ts';

export function keysCommand(cli: Cli) {
  const { say } = cli;
  const text = (description: string, valueHint: string) =>
    ({ type: 'string', description, valueHint }) as const;
  const where = {
    'base-url': text(say('arg.keys_base_url', { url: DEFAULT_BASE_URL }), 'URL'),
    'data-dir': text(say('arg.keys_data_dir'), 'DIR'),
    ...common(cli),
  };
  return defineCommand({
    meta: { name: 'keys', description: say('cli.keys') },
    subCommands: {
      create: defineCommand({
        meta: { description: say('cli.keys.create') },
        args: {
          name: text(say('arg.key_name'), 'NAME'),
          scopes: text(say('arg.key_scopes'), 'LIST'),
          organization: text(say('arg.key_organization'), 'ORG'),
          project: text(say('arg.key_project'), 'PROJECT'),
          'requests-per-minute': text(say('arg.key_requests'), 'N'),
          'tokens-per-minute': text(say('arg.key_tokens'), 'N'),
          'token-quota': text(say('arg.key_quota'), 'N'),
          'expires-days': text(say('arg.key_expires'), 'DAYS'),
          ...where,
        },
        async run({ args }) {
          const key = await ask(cli, args, { body: requestOf(cli, args) }, NewApiKey);
          if (args.json) return printJson(cli, key);
          const { id, name, organization_id } = key;
          const scopes = key.scopes.join(', ');
          note(cli, say('keys.created', { id, name, scopes, organization: organization_id }));
          printLine(cli, key.value);
          note(cli, say('keys.once'));
        },
      }),
      list: defineCommand({
        meta: { description: say('cli.keys.list') },
        args: { all: { type: 'boolean', description: say('arg.keys_all') }, ...where },
        async run({ args }) {
          const path = args.all ? '?include_revoked=true' : '';
          const list = await ask(cli, args, { method: 'GET', path }, listOf(ApiKey));
          if (args.json) return printJson(cli, list);
          const rows = list.data.map((key) => rowOf(cli, key));
          printTable(cli, rows);
        },
      }),
      revoke: defineCommand({
        meta: { description: say('cli.keys.revoke') },
        args: {
          id: { type: 'positional', description: say('arg.key_id'), required: true },
          ...where,
        },
        async run({ args }) {
          const path = `/${encodeURIComponent(args.id)}`;
          const deleted = await ask(cli, args, { method: 'DELETE', path }, Deleted);
          if (args.json) printJson(cli, deleted);
          else printLine(cli, say('keys.done', { id: deleted.id }));
        },
      }),
    },
  });
}

type Flags = Readonly<Record<string, unknown>>;
type Call = { readonly method?: string; readonly path?: string; readonly body?: object };

function requestOf({ say }: Cli, args: Flags): object {
  const flag = (name: string) => (typeof args[name] === 'string' ? args[name] : undefined);
  const count = (name: string) => {
    const value = flag(name);
    return value === undefined
      ? undefined
      : wholeNumber(say, `--${name}`, value, 1, Number.MAX_SAFE_INTEGER);
  };
  const days = flag('expires-days');
  return {
    name: flag('name'),
    scopes: flag('scopes')
      ?.split(',')
      .map((scope) => scope.trim()),
    organization: flag('organization'),
    project: flag('project'),
    requests_per_minute: count('requests-per-minute'),
    tokens_per_minute: count('tokens-per-minute'),
    token_quota: count('token-quota'),
    expires_in:
      days === undefined
        ? undefined
        : Math.max(1, Math.round(decimal(say, '--expires-days', days, 0, 10_000) * 86_400)),
  };
}

/** Where nobody answers at the usual address, in the default data directory; an address or a directory
 *  that was asked for is not replaced by another place. */
async function ask<T extends z.ZodType>(cli: Cli, args: Flags, call: Call, schema: T) {
  const address = args['base-url'] ?? (cli.env['TUNERY_BASE_URL'] || undefined);
  const dataDir = args['data-dir'];
  if (typeof dataDir === 'string') {
    if (args['base-url'] !== undefined)
      throw usageError(cli.say('usage.either', { one: '--base-url', other: '--data-dir' }));
    return await askOffline(cli, dataDir, call, schema);
  }
  try {
    return await send(connect(cli, String(address ?? DEFAULT_BASE_URL)), call, schema);
  } catch (error) {
    const nobody = error instanceof Failure && error.code === 'unreachable';
    if (!nobody || address !== undefined) throw error;
    const path = defaultDataDir(cli.env);
    note(cli, cli.say('keys.offline', { path }));
    return await askOffline(cli, path, call, schema);
  }
}

async function askOffline<T extends z.ZodType>(cli: Cli, dataDir: string, call: Call, schema: T) {
  const { fetch, close } = await openKeys(dataDir).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null;
    const reason = retell(reasonOf(error), cli.say);
    const message = cli.say('keys.offline_failed', { reason });
    throw new Failure(message, { code, cause: error });
  });
  try {
    return await send(connect(cli, DEFAULT_BASE_URL, fetch), call, schema);
  } finally {
    await close();
  }
}

const send = <T extends z.ZodType>(
  client: ReturnType<typeof connect>,
  { method = 'POST', path = '', body }: Call,
  schema: T,
) => client.own(`/keys${path}`, body, schema, method);

function rowOf({ say }: Cli, key: z.output<typeof ApiKey>): string[] {
  const expired = key.expires_at !== null && key.expires_at * 1000 <= Date.now();
  const state = key.revoked_at !== null ? 'revoked' : expired ? 'expired' : 'active';
  const used = key.last_used_at;
  return [
    key.id,
    key.redacted_value,
    say(`keys.${state}`),
    key.organization_id,
    key.scopes.join(','),
    used === null ? say('keys.never_used') : formatTime(used),
    key.name,
  ];
}
