// `npm run test:full`: everything `npm run verify` does, and the tests that take minutes
// (kill -9 at many points, the real model): they run where TUNERY_FULL is set.
process.argv.push('--full');
await import('./verify.mjs');
