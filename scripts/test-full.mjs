// `npm run test:full`: everything `npm run verify` does, and the tests that take minutes
// (training the moderation classifier anew): they run where TUNERY_FULL is set. What trains the real model
// is in bench/.
process.argv.push('--full');
await import('./verify.mjs');
