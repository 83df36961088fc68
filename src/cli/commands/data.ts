// tunery data …: from a messy file to rows one can trust. Works without a server.
import { defineCommand } from 'citty';
import type { MessageKey } from '../../messages/en.ts';
import type { Cli } from '../cli.ts';
import type { AnyCommand, LazyCommand } from '../command-line.ts';

export function dataCommand(cli: Cli) {
  const sub = (about: MessageKey, load: () => Promise<AnyCommand>): LazyCommand =>
    Object.assign(load, { about: cli.say(about) });
  return defineCommand({
    meta: { name: 'data', description: cli.say('cli.data') },
    subCommands: {
      prepare: sub('cli.data.prepare', async () =>
        (await import('./data-prepare.ts')).prepareCommand(cli),
      ),
      check: sub('cli.data.check', async () => (await import('./data-check.ts')).checkCommand(cli)),
      preview: sub('cli.data.preview', async () =>
        (await import('./data-preview.ts')).previewCommand(cli),
      ),
      convert: sub('cli.data.convert', async () =>
        (await import('./data-convert.ts')).convertCommand(cli),
      ),
      transform: sub('cli.data.transform', async () =>
        (await import('./data-transform.ts')).transformCommand(cli),
      ),
      overlap: sub('cli.data.overlap', async () =>
        (await import('./data-overlap.ts')).overlapCommand(cli),
      ),
      documents: sub('cli.data.documents', async () =>
        (await import('./data-documents.ts')).documentsCommand(cli),
      ),
      generate: sub('cli.data.generate', async () =>
        (await import('./data-generate.ts')).generateCommand(cli),
      ),
      distil: sub('cli.data.distil', async () =>
        (await import('./data-distil.ts')).distilCommand(cli),
      ),
      rationale: sub('cli.data.rationale', async () =>
        (await import('./data-rationale.ts')).rationaleCommand(cli),
      ),
    },
  });
}
