// Which scope a request needs: the one table, printed in docs/guides/keys.md and tested against the routes
// that exist. `admin` includes the others.

export const SCOPES = ['read', 'infer', 'tune', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Method (or *), path with all that is below it, and the scopes of which one is enough. */
type Rule = readonly [method: string, path: string, ...anyOf: Scope[]];

/** The first rule that fits counts. Who may begin a job or a batch may see how it goes. */
export const RULES: readonly Rule[] = [
  ['GET', '/v1/models', 'read', 'infer', 'tune'],
  ['DELETE', '/v1/models', 'admin'],
  ['GET', '/v1/engines', 'read', 'infer', 'tune'],
  ['POST', '/v1/engines', 'infer'],
  ['POST', '/v1/completions', 'infer'],
  ['POST', '/v1/edits', 'infer'],
  ['POST', '/v1/embeddings', 'infer'],
  ['POST', '/v1/moderations', 'infer'],
  ['GET', '/v1/chat/completions', 'read', 'infer'],
  ['*', '/v1/chat/completions', 'infer'],
  ['GET', '/v1/responses', 'read', 'infer'],
  ['*', '/v1/responses', 'infer'],
  ['GET', '/v1/batches', 'read', 'infer'],
  ['POST', '/v1/batches', 'infer'],
  ['GET', '/v1/files', 'read', 'tune'],
  ['POST', '/v1/files', 'tune', 'infer'], // a batch starts with a file too
  ['DELETE', '/v1/files', 'tune'],
  ['POST', '/v1/uploads', 'tune', 'infer'],
  ['GET', '/v1/fine_tuning/jobs', 'read', 'tune'],
  ['*', '/v1/fine_tuning/jobs', 'tune'],
  ['*', '/v1/fine_tuning/checkpoints', 'admin'], // permissions: the original asks for an admin key
  ['POST', '/v1/fine_tuning/alpha/graders', 'tune', 'infer'],
  ['GET', '/v1/fine-tunes', 'read', 'tune'],
  ['*', '/v1/fine-tunes', 'tune'],
  ['GET', '/v1/evals', 'read'],
  ['*', '/v1/evals', 'tune'],
  ['*', '/tunery/v1/data', 'tune'],
  ['*', '/tunery/v1', 'admin'], // keys, and paths of the server's own disk
];

/** Null: no rule, so no such path. */
export function scopesFor(method: string, path: string): readonly Scope[] | null {
  const verb = method === 'HEAD' ? 'GET' : method;
  const rule = RULES.find(
    ([of, prefix]) =>
      (of === '*' || of === verb) && (path === prefix || path.startsWith(`${prefix}/`)),
  );
  if (rule === undefined) return null;
  const [, , ...anyOf] = rule;
  return anyOf;
}

export const grants = (held: readonly string[], anyOf: readonly Scope[]) =>
  held.includes('admin') || anyOf.some((scope) => held.includes(scope));
