// Ids of the API's resources: a prefix and letters and digits drawn from the system's random source.
import { randomInt } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
export const newId = (prefix: string, length = 24) =>
  prefix + Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

/** A seed in the API's range. */
export const newSeed = () => randomInt(2 ** 31);
