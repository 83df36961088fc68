// What the legacy command line spelt in ways of its own.
export const BETAS = '--classification_betas';

/** `--classification_betas 0.5 1 2`: that command line took several words after the flag. */
export function withBetasJoined(argv: readonly string[]): readonly string[] {
  const at = argv[0] === 'api' ? argv.indexOf(BETAS) : -1;
  if (at < 0) return argv;
  const end = argv.findIndex((word, i) => i > at && !/^[\d.]/.test(word));
  const values = argv.slice(at + 1, end < 0 ? undefined : end);
  return argv.toSpliced(at, values.length + 1, `${BETAS}=${values.join(',')}`);
}
