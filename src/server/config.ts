// What the server can be told, with its defaults; environment variables are read here and nowhere else.

export type Config = {
  /** Refuse unknown top-level fields of a request, as the original does for some. */
  readonly strict: boolean;
  /** Origins of web pages that may call this server, besides pages on this machine. */
  readonly origins: readonly string[];
  /** Only requests whose Host header names this machine are answered: stops DNS rebinding. */
  readonly loopbackOnly: boolean;
  /** Answer other machines although there is no key yet. */
  readonly allowOpen: boolean;
  readonly organization: string;
  readonly jsonLimit: number;
  readonly fileLimit: number;
  /** Bytes of one part, and of all parts of one upload. */
  readonly partLimit: number;
  readonly uploadLimit: number;
  readonly logLevel: LogLevel;
  /** The guard model that answers for moderation; null: the bundled classifier does. */
  readonly moderationModel: string | null;
  /** The table of other names for models; null: `models.aliases.json` in the data directory, if any. */
  readonly aliasesFile: string | null;
  /** Jobs that train at the same time. */
  readonly trainers: number;
  /** Requests of batches that are executed at the same time. */
  readonly batchRequests: number;
  /** Where jobs with a `wandb` integration send their metrics; null: such jobs are refused. */
  readonly wandb: { readonly baseUrl: string; readonly apiKey: string } | null;
  /** Other servers whose models the data tools may ask. A request names one, never an address. */
  readonly endpoints: Readonly<Record<string, Endpoint>>;
};
type Endpoint = { readonly baseUrl: string; readonly apiKey: string | null };

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

export const defaultConfig: Config = {
  strict: false,
  origins: [],
  loopbackOnly: true,
  allowOpen: false,
  organization: 'org-tunery',
  jsonLimit: 26_214_400, // the original's limit, and its error message names it
  fileLimit: 512 * 1024 * 1024,
  partLimit: 64 * 1024 * 1024,
  uploadLimit: 8 * 1024 ** 3,
  logLevel: 'warn', // 'info' has a line per request
  moderationModel: null,
  aliasesFile: null,
  trainers: 1,
  batchRequests: 2, // a model host answers four at a time, and people come first
  wandb: null,
  endpoints: {},
};

/** `TUNERY_STRICT=1`, `TUNERY_ORIGINS=https://a.example,https://b.example`, `TUNERY_LOG=info`,
 *  `TUNERY_FILE_LIMIT=50MB`, `TUNERY_ALIASES=names.json`, `TUNERY_TRAINERS=2`, `TUNERY_BATCH_REQUESTS=2`,
 *  `TUNERY_MODERATION_MODEL=id`,
 *  `WANDB_BASE_URL=https://api.wandb.ai` with `WANDB_API_KEY`,
 *  `TUNERY_ENDPOINTS=big=https://api.example/v1` with `TUNERY_ENDPOINT_KEY_BIG`. */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  host: string,
): Config {
  return {
    ...defaultConfig,
    strict: flag(env['TUNERY_STRICT'], 'TUNERY_STRICT'),
    origins: (env['TUNERY_ORIGINS'] ?? '').split(',').filter((origin) => origin !== ''),
    loopbackOnly: isLoopback(host),
    allowOpen: flag(env['TUNERY_ALLOW_OPEN'], 'TUNERY_ALLOW_OPEN'),
    fileLimit: byteCount(env['TUNERY_FILE_LIMIT'], defaultConfig.fileLimit, 'TUNERY_FILE_LIMIT'),
    logLevel: logLevel(env['TUNERY_LOG'] || defaultConfig.logLevel),
    moderationModel: env['TUNERY_MODERATION_MODEL'] || null,
    aliasesFile: env['TUNERY_ALIASES'] || null,
    trainers: upTo64(env['TUNERY_TRAINERS'] || String(defaultConfig.trainers), 'TUNERY_TRAINERS'),
    batchRequests: upTo64(
      env['TUNERY_BATCH_REQUESTS'] || String(defaultConfig.batchRequests),
      'TUNERY_BATCH_REQUESTS',
    ),
    wandb: wandb(env['WANDB_BASE_URL'], env['WANDB_API_KEY']),
    endpoints: endpoints(env),
  };
}

/** `52428800`, `50MB` (as file managers count: 1,048,576 bytes each), `1GB`. */
function byteCount(value: string | undefined, standard: number, name: string): number {
  if (!value) return standard;
  const [, digits, unit = ''] = /^(\d{1,12}) ?(KB|MB|GB)?$/i.exec(value) ?? [];
  const bytes = Number(digits) * 1024 ** ['', 'KB', 'MB', 'GB'].indexOf(unit.toUpperCase());
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new RangeError(
    `${name} must be a number of bytes such as 52428800 or 50MB; got '${value}'`,
  );
}

function upTo64(value: string, name: string): number {
  if (/^([1-9]|[1-5]\d|6[0-4])$/.test(value)) return Number(value);
  throw new RangeError(`${name} must be a whole number from 1 to 64; got '${value}'`);
}

/** The address has no default here: metrics leave this machine only when somebody says where to. */
function wandb(baseUrl: string | undefined, apiKey: string | undefined): Config['wandb'] {
  if (!baseUrl || !apiKey) return null;
  if (!/^https?:$/.test(URL.parse(baseUrl)?.protocol ?? ''))
    throw new RangeError(`WANDB_BASE_URL must be an http or https address; got '${baseUrl}'`);
  return { baseUrl, apiKey };
}

function endpoints(env: Readonly<Record<string, string | undefined>>): Config['endpoints'] {
  const pairs = (env['TUNERY_ENDPOINTS'] ?? '').split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair): [string, Endpoint] => {
      const [, name, address] = /^\s*([a-z0-9][a-z0-9_-]*)=(\S+)\s*$/i.exec(pair) ?? [];
      const url = URL.parse(address ?? '');
      if (name === undefined || url === null || !/^https?:$/.test(url.protocol) || url.username)
        throw new RangeError(
          `TUNERY_ENDPOINTS must be NAME=ADDRESS,… with http or https addresses without a user in them; got '${pair}'`,
        );
      const variable = `TUNERY_ENDPOINT_KEY_${name.toUpperCase().replaceAll('-', '_')}`;
      return [name, { baseUrl: address!.replace(/\/+$/, ''), apiKey: env[variable] || null }];
    }),
  );
}

function logLevel(value: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === value);
  if (level === undefined)
    throw new RangeError(`TUNERY_LOG must be one of ${LOG_LEVELS.join(', ')}; got '${value}'`);
  return level;
}

function flag(value: string | undefined, name: string): boolean {
  if (value === undefined || value === '' || value === '0' || value === 'false') return false;
  if (value === '1' || value === 'true') return true;
  throw new RangeError(`${name} must be 0, 1, true or false; got '${value}'`);
}

/** A host name without port that always means this machine. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '::1' ||
    name === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
  );
}
