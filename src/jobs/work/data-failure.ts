// What went wrong in a data task, as the message that its caller shows: in the caller's language, with
// what to do. A bug becomes a sentence too, and its stack goes to this process's own stderr.
import { problemText } from '../../data/prepare/problem-text.ts';
import { TableError } from '../../data/read-table/table.ts';
import { systemFailure } from '../../data/source/system-error.ts';
import { CodedError } from '../../lib/coded-error.ts';
import type { Say } from '../../messages/say.ts';
import type { FromData } from '../data-protocol.ts';

type Fail = Extract<FromData, { type: 'fail' }>;

export function dataFailure(error: unknown, say: Say): Fail {
  const fail = (code: string, message: string, param: string | null = null): Fail => ({
    type: 'fail',
    code,
    message,
    param,
  });
  if (error instanceof TableError) {
    return fail('unreadable_file', problemText(error.problem, say), 'file');
  }
  if (error instanceof CodedError)
    return fail(error.code ?? 'invalid_request', error.message, error.param);
  const known = systemFailure(error, say);
  if (known !== null) return fail(known.code, known.message);
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  const reason = error instanceof Error ? error.message : String(error);
  return fail('internal', say('error.unexpected', { reason }));
}
