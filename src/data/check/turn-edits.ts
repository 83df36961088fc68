// What mends a conversation: turns joined, moved, or cut. Works on chat and ShareGPT turns alike.
import { isObject } from '../formats/chat.ts';

type Turn = Readonly<Record<string, unknown>>;
type Change = (turns: readonly Turn[]) => readonly Turn[];

const isAssistant = (turn: Turn) => ['assistant', 'gpt', 'function_call'].includes(roleOf(turn));
const isSystem = (turn: Turn) => ['system', 'developer'].includes(roleOf(turn));
const roleOf = (turn: Turn) => String(turn['role'] ?? turn['from']);

export const TURN_EDITS: Readonly<
  Record<'last_not_assistant' | 'same_role_twice' | 'late_system', Change>
> = {
  /** What stands after the last answer goes. */
  last_not_assistant: (turns) => turns.slice(0, turns.findLastIndex(isAssistant) + 1),
  late_system: (turns) => [...turns.filter(isSystem), ...turns.filter((turn) => !isSystem(turn))],
  same_role_twice: (turns) => {
    const out: Turn[] = [];
    for (const turn of turns) {
      const before = out.at(-1);
      const joined = before === undefined ? null : join(before, turn);
      if (joined === null) out.push(turn);
      else out[out.length - 1] = joined;
    }
    return out;
  },
};

/** Null for turns of two sides, and for those that hold more than text. */
function join(a: Turn, b: Turn): Turn | null {
  const role = roleOf(a);
  if (role !== roleOf(b) || role === 'tool' || role === 'observation') return null;
  const key = 'content' in a ? 'content' : 'value';
  const [x, y] = [a[key], b[key]];
  if (typeof x !== 'string' || typeof y !== 'string') return null;
  if (Object.keys(a).join() !== Object.keys(b).join() || 'tool_calls' in a) return null;
  return { ...a, [key]: x === y ? x : `${x}\n\n${y}` };
}

/** The row with its turns changed; rows without turns stay. */
export function withTurns(row: unknown, change: Change): unknown {
  if (Array.isArray(row)) return change(row as Turn[]);
  if (!isObject(row)) return row;
  const key = ['messages', 'conversations', 'conversation'].find((name) =>
    Array.isArray(row[name]),
  );
  if (key === undefined || !(row[key] as unknown[]).every(isObject)) return row;
  return { ...row, [key]: change(row[key] as Turn[]) };
}
