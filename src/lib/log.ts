// The process's log: JSON lines on stderr, so that stdout stays for what a command prints.
import { pino } from 'pino';

export type Log = ReturnType<typeof createLog>;

/** `level` is pino's: trace, debug, info, warn, error, fatal or silent. */
export function createLog(level = 'info') {
  // Synchronous: the last line before a crash is the one that is needed.
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}
