// What went wrong in a job's child, as the message that the server stores and shows.
import { CodedError } from '../../lib/coded-error.ts';
import { isDiskFull } from '../../lib/disk-full.ts';
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
      message: `${Object(error).path} is missing.`,
      param: null,
    };
  const known = SYSTEM_ERRORS[system];
  if (!known) throw error;
  return { type: 'fail', code: known.code, message: known.say(output), param: null };
}

const full = {
  code: 'disk_full',
  say: (output: string) =>
    `The disk ran full while ${output} was written; nothing was kept. Free some space and try again.`,
};
const notWritable = {
  code: 'output_not_writable',
  say: (output: string) =>
    `${output} cannot be written: no permission, or the disk is read-only. Choose another place.`,
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
