// The one error type that reaches a client, and its only mapping to the wire: an object with the four
// keys of the API's error, always all four. What is no ApiError and has no known code stays inside.
import type { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { isDiskFull } from '../lib/disk-full.ts';
import { say } from '../messages/say.ts';

type Wire = {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;
  /** Seconds after which a refused request may be tried again. */
  readonly retryAfter?: number;
  /** Absent: what fits the status. */
  readonly type?: string;
};

export class ApiError extends Error {
  readonly wire: Wire;
  constructor(message: string, wire: Wire, cause?: unknown) {
    super(message, { cause });
    this.wire = wire;
  }
}

export type ErrorBody = {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
};

export function toWire(error: unknown): { status: number; body: ErrorBody; retryAfter?: number } {
  const { message, wire } = asApiError(error);
  const type = wire.type ?? errorType(wire.status);
  const body = { error: { message, type, param: wire.param, code: wire.code } };
  return {
    status: wire.status,
    body,
    ...(wire.retryAfter === undefined ? {} : { retryAfter: wire.retryAfter }),
  };
}

function errorType(status: number): string {
  if (status === 429) return 'requests';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof CodedError) {
    const { status, code, param } = error;
    const wait = status === 429 || status === 503 ? { retryAfter: 1 } : {};
    return new ApiError(error.message, { status, code, param, ...wait }, error);
  }
  if (isDiskFull(error))
    return new ApiError(
      say('refusal.disk_full'),
      { status: 507, code: 'disk_full', param: null },
      error,
    );
  if (error instanceof Error && 'code' in error && error.code === 'EFBIG')
    return new ApiError(
      say('refusal.file_too_large'),
      { status: 507, code: 'file_too_large', param: null },
      error,
    );
  // The reason is in the log under the request's id; a client learns nothing of the inside.
  return new ApiError(say('refusal.defect'), { status: 500, code: null, param: null }, error);
}

const refuse = (status: number, message: string, code: string | null, param: string | null) =>
  new ApiError(message, { status, code, param });

export const unknownUrl = (method: string, path: string) =>
  refuse(
    404,
    `Unknown request URL: ${method} ${path}. ${meant(path)}Please check the URL for typos, or see the docs at https://platform.openai.com/docs/api-reference/.`,
    'unknown_url',
    null,
  );

/** Some guides print a path that never was one. */
const meant = (path: string) =>
  /^\/v1\/fine_tun(ing|es)\/?$/.test(path)
    ? 'Fine-tuning jobs are at /v1/fine_tuning/jobs, and the older fine-tunes at /v1/fine-tunes. '
    : '';

export const badJson = (reason: string) =>
  refuse(
    400,
    `We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The API expects a JSON payload, but what was sent was not valid JSON: ${reason})`,
    null,
    null,
  );

export const bodyTooLarge = (limit: number, read: number) =>
  refuse(413, say('refusal.too_large', { limit, read }), null, null);

export const fileNotFound = (id: string) =>
  refuse(404, say('refusal.file_not_found', { id }), null, 'id');

export const uploadNotFound = (id: string) =>
  refuse(404, `No such Upload object: ${id}`, null, 'id');

/** Never a 409: clients try that again. */
export const uploadEnded = (id: string, status: string) =>
  refuse(400, `Upload ${id} is ${status}; it takes no more parts and cannot change.`, null, null);

export const batchNotFound = (id: string) =>
  refuse(404, `No batch found with id '${id}'.`, null, 'batch_id');

export const jobNotFound = (id: string) =>
  refuse(404, say('refusal.job_not_found', { id }), 'fine_tune_not_found', 'fine_tune_id');

/** An id of the other face of jobs: see legacy.ts. */
export const jobElsewhere = (id: string, path: string) => {
  const message = say('refusal.job_elsewhere', { id, path: `${path}/${id}` });
  return refuse(404, message, 'fine_tune_not_found', 'fine_tune_id');
};

/** A job's id where the name of its model is meant, as some guides print it. */
export const modelOfJob = (id: string, model: string) =>
  refuse(404, say('refusal.model_of_job', { id, model }), 'model_not_found', 'model');

export const modelNotFound = (id: string) =>
  refuse(404, say('refusal.model_not_found', { id }), 'model_not_found', 'model');

/** The wording of chat and completions. */
export const modelNotUsable = (id: string) =>
  refuse(404, say('refusal.model_not_usable', { id }), 'model_not_found', null);

/** The wording of /v1/responses, which answers 400 where the others answer 404. */
export const unknownModel = (id: string) =>
  refuse(400, `The requested model '${id}' does not exist.`, 'model_not_found', 'model');

export const responseNotFound = (id: string) =>
  refuse(404, `Response with id '${id}' not found.`, null, null);

export const previousNotFound = (id: string) =>
  refuse(
    400,
    `Previous response with id '${id}' not found.`,
    'previous_response_not_found',
    'previous_response_id',
  );

export const cannotCancel = (id: string) =>
  refuse(400, `Cannot cancel a synchronous response: ${id}`, null, null);

export const invalidRows = (problems: readonly string[], total: number) => {
  const rest = total > problems.length ? ` (${total} problems in all)` : '';
  const message = `Invalid file format for Fine-Tuning API. Must be .jsonl. ${problems.join(' ')}${rest}`;
  return refuse(400, message, 'invalid_file_format', 'file');
};

export const permissionNotFound = (id: string) =>
  refuse(404, `No such checkpoint permission: ${id}`, null, 'permission_id');

export const missingParameter = (param: string) =>
  refuse(400, say('refusal.missing', { param }), 'missing_required_parameter', param);

export const invalidValue = (param: string, message: string) =>
  refuse(400, say('refusal.invalid', { param, reason: message }), 'invalid_value', param);

/** A parameter of the API that has no effect here yet, sent with a value that asks for one. */
export const unsupported = (param: string, hint: string) =>
  refuse(400, say('refusal.unsupported', { param, hint }), 'unsupported_parameter', param);

export const unknownParameter = (param: string) =>
  refuse(400, say('refusal.unknown_parameter', { param }), 'unknown_parameter', param);

export const forbidden = (message: string) => refuse(403, message, null, null);

export const noKey = () => refuse(401, say('refusal.no_key'), null, null);

/** `state`: why a key of this server is not taken any more; null: it is none. */
export const wrongKey = (masked: string, state: 'expired' | 'revoked' | null) =>
  refuse(
    401,
    say('refusal.wrong_key', { masked, reason: say(KEY_STATES[state ?? 'unknown']) }),
    'invalid_api_key',
    null,
  );

const KEY_STATES = {
  unknown: 'part.key_unknown',
  revoked: 'part.key_revoked',
  expired: 'part.key_expired',
} as const;

export const lacksScope = (anyOf: readonly string[], held: readonly string[]) =>
  forbidden(say('refusal.scope', { missing: anyOf.join(' or '), held: held.join(', ') }));

/** `what`: Organization or Project. */
export const mismatched = (what: string) =>
  refuse(
    401,
    `OpenAI-${what} header should match ${what.toLowerCase()} for API key`,
    `mismatched_${what.toLowerCase()}`,
    null,
  );

export const rateLimited = ({
  kind,
  key,
  organization,
  limit,
  waitMs,
}: {
  readonly kind: 'requests' | 'tokens';
  readonly key: string;
  readonly organization: string;
  readonly limit: number;
  readonly waitMs: number;
}) => {
  const unit = kind === 'requests' ? 'requests per min (RPM)' : 'tokens per min (TPM)';
  const retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
  return new ApiError(
    say('refusal.rate', { key, organization, unit, limit, seconds: retryAfter }),
    { status: 429, code: 'rate_limit_exceeded', param: null, type: kind, retryAfter },
  );
};

/** Waiting does not help, so that clients are told not to try again. */
export const quotaUsedUp = (masked: string, quota: number) =>
  new ApiError(say('refusal.quota', { masked, quota }), {
    status: 429,
    code: 'insufficient_quota',
    param: null,
    type: 'insufficient_quota',
  });

export const keyNotFound = (id: string) =>
  refuse(404, `No such API key: ${id}`, 'key_not_found', 'id');

type Issue = z.core.$ZodIssue;

/** The first thing that zod found wrong in `input`, in the words of the API. */
export function fromIssues(issues: readonly Issue[], input: unknown, prefix: string[] = []) {
  const issue = relevant(tightest(issues));
  const path = [...prefix, ...issue.path.map((step) => (typeof step === 'symbol' ? '?' : step))];
  const param = dotted(path);
  const got = valueAt(input, issue.path);
  if (issue.code === 'unrecognized_keys')
    return unknownParameter(dotted([...path, issue.keys[0] ?? '?']));
  if (got === undefined) return missingParameter(param);
  const reason = lowerFirst(issue.message);
  const text = say('refusal.invalid_got', { param, reason, got: shown(got) });
  return refuse(400, text, codeOf(issue, got), param);
}

// Of what is wrong with the first field, the last: a whole number has the range of whole numbers and, after
// it, its own.
const tightest = ([first, ...rest]: readonly Issue[]): Issue => {
  const { code, path } = first!;
  const same = (other: Issue) =>
    other.code === code &&
    other.path.length === path.length &&
    other.path.every((step, i) => step === path[i]);
  return rest.findLast(same) ?? first!;
};

// Of a union's branches, the one whose complaint is about the value and not about its type.
function relevant(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue;
  for (const branch of issue.errors) {
    if (branch.length === 0) continue;
    const first = tightest(branch);
    const aboutType = first.code === 'invalid_type' || first.code === 'invalid_value';
    if (!aboutType || first.path.length > 0) {
      const inner = relevant(first);
      const message =
        issue.path.length > 0 && inner.path.length === 0 ? union(issue, inner) : inner.message;
      return { ...inner, path: [...issue.path, ...inner.path], message } as Issue;
    }
  }
  return { ...issue, message: `Invalid input: expected ${expected(issue)}` };
}

const union = (issue: Issue, inner: Issue) =>
  `Expected ${expected(issue)}: ${lowerFirst(inner.message)}`;

function expected(issue: Issue): string {
  // A value that no branch has where they are told apart.
  if (issue.code === 'invalid_union' && issue.errors.length === 0 && 'options' in issue)
    return (issue.options as unknown[]).map((value) => `'${String(value)}'`).join(' or ');
  if (issue.code === 'invalid_union')
    return [...new Set(issue.errors.map((branch) => expected(branch[0]!)))].join(' or ');
  if (issue.code === 'invalid_value')
    return issue.values.map((value) => `'${String(value)}'`).join(' or ');
  if (issue.code === 'invalid_type') return issue.expected;
  return 'origin' in issue ? String(issue.origin) : 'another value';
}

function codeOf(issue: Issue, got: unknown): string {
  if (issue.code === 'invalid_type' || issue.code === 'invalid_union')
    return typeof got === 'string' && issue.code === 'invalid_union'
      ? 'invalid_value'
      : 'invalid_type';
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const kind =
      issue.origin === 'number' || issue.origin === 'int' ? numberKind(issue, got) : issue.origin;
    if (!['integer', 'decimal', 'string', 'array'].includes(kind)) return 'invalid_value';
    const bound = issue.code === 'too_small' ? 'below_min' : 'above_max';
    return `${kind}_${bound}_${kind === 'string' || kind === 'array' ? 'length' : 'value'}`;
  }
  return 'invalid_value';
}

// The API says of a whole number that it is too large or small as an integer, but for these.
const DECIMALS = [
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'learning_rate_multiplier',
];
const numberKind = ({ path }: Issue, got: unknown) =>
  Number.isInteger(got) && !DECIMALS.includes(String(path.at(-1))) ? 'integer' : 'decimal';

/** `messages`, 0, `role` → `messages[0].role` */
export function dotted(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null
        ? (value as Record<PropertyKey, unknown>)[step]
        : undefined,
    input,
  );
}

const SHOWN = 80; // characters of a value that an error repeats

function shown(value: unknown): string {
  // JSON has no word for Infinity, which 1e999 becomes.
  const text = (typeof value === 'number' ? null : JSON.stringify(value)) ?? String(value);
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${text.length} characters)`;
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
