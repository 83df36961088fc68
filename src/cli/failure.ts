// How a command ends badly: a sentence for the reader, and the exit code that scripts read.
// 1 the operation failed · 2 wrong usage · 3 no server answers · 130 interrupted
import { CodedError } from '../lib/coded-error.ts';

export class Failure extends Error {
  readonly exitCode: number;
  readonly code: string | null;
  readonly param: string | null;
  constructor(
    message: string,
    {
      exitCode = 1,
      code = null,
      param = null,
      cause,
    }: { exitCode?: number; code?: string | null; param?: string | null; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.exitCode = exitCode;
    this.code = code;
    this.param = param;
  }
}

export const usageError = (message: string) => new Failure(message, { exitCode: 2, code: 'usage' });

/** The words of an unknown error, with the reason under it where fetch and fs hide one. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CodedError) return error.message; // says what to do; its cause does not
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? reasonOf(cause) : error.message;
}
