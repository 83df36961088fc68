// Where things are on this machine: the data directory and the folders of model files.
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { Cli } from './cli.ts';

type Env = Cli['env'];

export const defaultDataDir = (env: Env) => env['TUNERY_DATA_DIR'] || join(homedir(), '.tunery');

/** Base models that were pulled or imported; the server looks here first. */
export const modelsIn = (dataDir: string) => join(resolve(dataDir), 'models');

/** Folders of `TUNERY_MODELS`, separated as in PATH. */
export const modelsFromEnv = (env: Env) =>
  (env['TUNERY_MODELS'] ?? '').split(delimiter).filter((folder) => folder !== '');
