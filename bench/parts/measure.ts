// What every benchmark needs: run a child that prints one JSON object, medians, and the machine's name.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';

export type Args = Readonly<Record<string, string | boolean | undefined>>;

/** Runs a command; its last line on stdout is the answer. Rejects with the tail of stderr. */
export function runJson(
  command: string,
  args: readonly string[],
): Promise<Record<string, unknown>> {
  return new Promise((fulfil, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (piece) => {
      out += piece;
    });
    child.stderr.on('data', (piece) => {
      errors = (errors + piece).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`${command} ${args[0]} ended with ${code}:\n${errors}`));
      else fulfil(JSON.parse(out.trim().split('\n').at(-1)!));
    });
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Model name and core count, for the table beside the figures. */
export const cpu = () => `${cpus()[0]?.model.trim() ?? 'unknown'} (${cpus().length} cores)`;

export const text = (args: Args, name: string, otherwise: string) => {
  const value = args[name];
  return typeof value === 'string' ? value : otherwise;
};
export const count = (args: Args, name: string, otherwise: number) => {
  const value = Number(text(args, name, String(otherwise)));
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
  return value;
};

/** `--model FILE`, else the first file of that name below TUNERY_MODELS. */
export function findModel(args: Args, name = /smollm2-135m-instruct.*\.gguf$/i): string {
  if (typeof args['model'] === 'string') return resolve(args['model']);
  const folders = [
    ...(process.env['TUNERY_MODELS'] ?? '').split(':'),
    join(process.env['HOME'] ?? '.', '.tunery/models'),
    '../shared/models',
  ];
  for (const folder of folders.filter((one) => one && existsSync(one))) {
    const file = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((one) =>
      name.test(one),
    );
    if (file) return resolve(folder, file);
  }
  throw new Error('no SmolLM2-135M-Instruct found: name it with --model FILE or set TUNERY_MODELS');
}
