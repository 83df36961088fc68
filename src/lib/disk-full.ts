// One question about errors of three sources: the system, SQLite (our locks) and PostgreSQL (the database).

/** True of an error, or the cause of one, that says there is no space left. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return CODES.has(String(code)) || errcode === SQLITE_FULL || isDiskFull(error.cause);
}

const POSTGRES_DISK_FULL = '53100';
const SQLITE_FULL = 13;
const CODES = new Set(['ENOSPC', 'EDQUOT', POSTGRES_DISK_FULL]);
