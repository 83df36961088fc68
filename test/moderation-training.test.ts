// The bundled moderation model and its printed figures are what the training data give. Takes a minute,
// so it runs in `npm run test:full`.
import { expect, test } from 'vitest';
import { Program } from './program.ts';

test.runIf(process.env['TUNERY_FULL'])(
  'training again gives the same model, byte for byte',
  async () => {
    const training = new Program(process.execPath, ['scripts/train-moderation.ts', '--check']);
    expect(await training.ended()).toMatchObject({ code: 0 });
  },
  600_000,
);
