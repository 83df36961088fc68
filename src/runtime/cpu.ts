// What this CPU's eight-bit products can do without overflow.
import { readFileSync } from 'node:fs';

/** Largest magnitude of an eight-bit weight. Without VNNI, x86 adds two unsigned×signed products in 16
 *  bits and saturates: weights of 7 bits keep the sum in range. */
export function weightLimit(arch: string = process.arch, flags: string = cpuFlags()): 127 | 63 {
  if (arch === 'arm64') return 127; // ARM multiplies signed by signed and never saturates
  return /\b(avx512_vnni|avx_vnni|amx_int8)\b/.test(flags) ? 127 : 63;
}

/** As Linux names them on x86; empty where the system does not tell. */
export function cpuFlags(): string {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  } catch {
    return ''; // not Linux: the safe limit
  }
}
