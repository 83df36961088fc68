// A model as the child of a data task sees it: questions go up to the parent, which alone knows networks
// and keys; answers come down.
import type { Asked, AskModel } from '../../data/documents/ask.ts';
import { CodedError } from '../../lib/coded-error.ts';
import type { FromData, ToData } from '../data-protocol.ts';

export function modelAbove(send: (message: FromData) => Promise<void>) {
  const waiting = new Map<number, PromiseWithResolvers<Asked>>();
  let lastId = 0;
  const ask: AskModel = (body) => {
    const answer = Promise.withResolvers<Asked>();
    const id = ++lastId;
    waiting.set(id, answer);
    void send({ type: 'ask', id, body });
    return answer.promise;
  };
  const take = (message: Extract<ToData, { type: 'asked' | 'not-asked' }>) => {
    const answer = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.type === 'asked') answer?.resolve(message.asked);
    else answer?.reject(new CodedError(message.code, message.message, { param: message.param }));
  };
  return { ask, take };
}
