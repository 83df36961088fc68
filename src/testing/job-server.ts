// A process that opens a data directory and works on its jobs, to be killed by tests.
// Arguments: data directory, models folder. Says `ready` over its channel.
import { pino } from 'pino';
import { createJobs } from '../jobs/jobs.ts';
import { systemClock } from '../lib/clock.ts';
import { openStore } from '../store/store.ts';

const [directory, models] = process.argv.slice(2);
const store = await openStore(directory!);
const jobs = createJobs({
  store,
  clock: systemClock,
  log: pino({ level: 'silent' }),
  score: () => new Promise(() => {}), // the test's own server does the last act
  modelsDirs: [models!],
  organization: 'org-acme',
});
await jobs.start();
process.send?.('ready');
setInterval(() => {}, 60_000); // the lock lives as long as this process
