// Files and folders that must not outlive this process: a child that is told to end in the middle of its
// work exits at once, and takes them along.
import { rmSync } from 'node:fs';

const paths = new Set<string>();
let watching = false;

/** Call the result once the path is gone or has become something else. */
export function removeOnExit(path: string): () => void {
  if (!watching) {
    watching = true;
    process.once('exit', () => {
      for (const left of paths) rmSync(left, { recursive: true, force: true });
    });
  }
  paths.add(path);
  return () => paths.delete(path);
}
