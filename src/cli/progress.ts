// A live line on a terminal, plain lines elsewhere: a log file should not fill with control codes.
import type { Terminal } from './cli.ts';
import { displayWidth } from './output.ts';

const BAR = 24; // characters
const PLAIN_EVERY_MS = 5000;

export type Progress = {
  /** `share` of the work done, 0 to 1, and what to say about it. */
  readonly show: (share: number, text: string) => void;
  /** Leaves the line, so that what follows starts on a new one. */
  readonly end: () => void;
};

export function progress(stream: Terminal, now: () => number): Progress {
  let open = false;
  let shownAt = Number.NEGATIVE_INFINITY;
  let waiting: string | null = null;
  const plainLine = (text: string) => {
    stream.write(`${text}\n`);
    shownAt = now();
    waiting = null;
  };
  return {
    show(share, text) {
      if (stream.isTTY) {
        const filled = Math.round(BAR * Math.min(1, Math.max(0, share)));
        const line = `[${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}] ${text}`;
        stream.write(`\r\x1b[K${clip(line, (stream.columns ?? 80) - 1)}`);
        open = true;
      } else if (now() - shownAt >= PLAIN_EVERY_MS) plainLine(text);
      else waiting = text;
    },
    end() {
      if (open) stream.write('\n');
      else if (waiting !== null) plainLine(waiting); // the last state is worth a line
      open = false;
    },
  };
}

function clip(text: string, width: number): string {
  let out = '';
  let used = 0;
  for (const character of text) {
    used += displayWidth(character);
    if (used > width) return out;
    out += character;
  }
  return out;
}

/** `75` → `1:15` */
export function minutes(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
