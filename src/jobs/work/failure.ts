// What went wrong in a job's child, as the message that the server stores and shows.
import { CodedError } from '../../lib/coded-error.ts';
import { isDiskFull } from '../../lib/disk-full.ts';
import { say } from '../../messages/say.ts';
import type { WorkerMessage } from '../protocol.ts';

/** Throws the error on if it is none that a user can do something about: a bug must look like one. */
export function failure(error: unknown, output: string): WorkerMessage {
  if (error instanceof CodedError)
    return {
      type: 'fail',
      code: error.code ?? 'invalid_request',
      message: error.message,
      param: error.param,
    };
  if (isDiskFull(error))
    return { type: 'fail', code: full.code, message: full.say(output), param: null };
  const system = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (system === 'ENOENT' && 'path' in Object(error))
    return {
      type: 'fail',
      code: 'file_not_found',
      message: say('failure.file_missing', { path: Object(error).path }),
      param: null,
    };
  const known = SYSTEM_ERRORS[system];
  if (!known) throw error;
  return { type: 'fail', code: known.code, message: known.say(output), param: null };
}

const full = {
  code: 'disk_full',
  say: (output: string) => say('failure.disk_full_writing', { output }),
};
const notWritable = {
  code: 'output_not_writable',
  say: (output: string) => say('failure.not_writable', { output }),
};
const SYSTEM_ERRORS: Readonly<Record<string, typeof full>> = {
  EFBIG: {
    code: 'file_too_large',
    say: (output) =>
      `${output} is larger than this file system or this user may write; nothing was kept.`,
  },
  EACCES: notWritable,
  EPERM: notWritable,
  EROFS: notWritable,
  ENOTDIR: notWritable,
};
