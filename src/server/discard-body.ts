// A client that is still sending when it is refused may never read why: its connection breaks under it. So
// what is refused for its size is read to the end and dropped, as long as that does not take long.

const LONGEST_MS = 10_000;

/** Returns the bytes dropped. Never throws: the refusal is the answer, whatever becomes of the rest. */
export async function discardBody(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  longestMs = LONGEST_MS,
): Promise<number> {
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), longestMs);
  let bytes = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read())
      bytes += next.value.length;
  } catch {
    // The client is gone.
  } finally {
    clearTimeout(timer);
  }
  return bytes;
}
