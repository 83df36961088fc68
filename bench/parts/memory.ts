// Resident memory of another process, and its peak while something happens.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** MiB. */
export function residentMemory(pid: number): number {
  if (process.platform === 'linux') {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1]) / 1024;
  }
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024;
}

const EVERY_MS = 50;

/** The largest value seen while `work` runs, and what it answers. */
export async function peakDuring<T>(pid: number, work: () => Promise<T>) {
  let peak = residentMemory(pid);
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMemory(pid));
  }, EVERY_MS);
  try {
    const value = await work();
    return { value, peak: Math.max(peak, residentMemory(pid)) };
  } finally {
    clearInterval(timer);
  }
}
