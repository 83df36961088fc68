// What can go wrong in training that a user can do something about, with a sentence that says what.
import { CodedError } from '../../lib/coded-error.ts';
import { say } from '../../messages/say.ts';
import { DivergedError } from '../../train/trainer.ts';
import type { TrainRequest, WorkerMessage } from '../protocol.ts';
import { failure } from './failure.ts';

/** Throws the error on if it is none of these. */
export function trainingFailure(error: unknown, request: TrainRequest): WorkerMessage {
  return failure(explained(error, request), request.directory);
}

function explained(error: unknown, { options }: TrainRequest): unknown {
  if (error instanceof DivergedError && error.step === 1)
    return new CodedError('training_diverged', say('failure.diverged_at_once'), { cause: error });
  if (error instanceof DivergedError)
    return new CodedError('training_diverged', say('failure.diverged', { step: error.step }), {
      param: 'learning_rate_multiplier',
      cause: error,
    });
  if (isOutOfMemory(error))
    return new CodedError(
      'out_of_memory',
      say('failure.memory', {
        context: options.context_length ?? 'the model’s own, at most 4096',
        rank: options.rank,
      }),
      { cause: error },
    );
  return error;
}

/** Node says it by two kinds of RangeError, ONNX Runtime and the C++ library in words. */
function isOutOfMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && error.code === 'ENOMEM') return true;
  return /array buffer allocation failed|invalid typed array length|failed to allocate memory|bad_alloc|bad allocation/i.test(
    error.message,
  );
}
