// Brings a fresh clone to the point where Tunery can run: the packages of package-lock.json are
// installed and a Node of version 24 or newer is known. Needs nothing but Node ≥ 20 and npm.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const OWN_MODULES = join(ROOT, 'node_modules');
// As an installed package we lie in a node_modules folder ourselves, and npm puts what we need beside us.
const PACKAGE = basename(dirname(ROOT)) === 'node_modules';
const MODULES = PACKAGE ? [OWN_MODULES, dirname(ROOT)] : [OWN_MODULES];
const LOCK = join(ROOT, 'package-lock.json');
const STAMP = join(OWN_MODULES, '.tunery-installed');
const NEEDED_MAJOR = 24;

/** What a person can mend; the message says how. */
export class SetupError extends Error {}

/** Installs what is missing and returns the path of a Node that runs our TypeScript as it is. */
export function setUp() {
  if (!installed()) install();
  let node = findNode();
  if (node === null) {
    fetchNode();
    node = findNode();
  }
  if (node !== null) return node;
  throw new SetupError(
    `Tunery runs on Node ${NEEDED_MAJOR}. The npm package "node" should have brought it, but its ` +
      `file is missing. Install Node ${NEEDED_MAJOR} yourself, or run: npm rebuild node`,
  );
}

/** `setUp` for commands that have nothing left to say when it fails. */
export function setUpOrExit() {
  try {
    return setUp();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(1);
  }
}

/** Runs `file` on the right Node, in this process where it is the right one already. */
export async function runOnNode(file, args) {
  const node = setUpOrExit();
  const path = join(ROOT, file);
  if (major(process.version) >= NEEDED_MAJOR) {
    process.argv = [process.execPath, path, ...args];
    await import(new URL(`../${file}`, import.meta.url).href);
    return;
  }
  process.exitCode = await runChild(node, [path, ...args]);
}

/** The environment in which `node` means the Node of this package. */
export function environment(extra = {}) {
  const bins = MODULES.map((folder) => join(folder, '.bin'));
  const path = [...bins, process.env.PATH ?? ''].join(delimiter);
  return { ...process.env, PATH: path, ...extra };
}

/** Hands terminal and signals to the child and resolves to the exit code to end with. */
export function runChild(command, args, options = {}) {
  // The channel lets the child see that this process is gone, even after a kill -9.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const child = spawn(command, args, { stdio, cwd: process.cwd(), env: environment(), ...options });
  // A terminal sends Ctrl-C to both of us: stay until the child has closed what it has open.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

function installed() {
  return PACKAGE || (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted());
}

function wanted() {
  return createHash('sha256').update(readFileSync(LOCK)).digest('hex');
}

function install() {
  process.stderr.write('Tunery: installing the npm packages of package-lock.json …\n');
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms.
  const code = npm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) {
    throw new SetupError(
      'npm install failed; its messages are above. Mend that and run the same command again.',
    );
  }
  writeFileSync(STAMP, wanted());
}

/** The npm package `node` gets its binary from an install script; someone may have scripts off. */
function fetchNode() {
  const folder = MODULES.map((modules) => join(modules, 'node')).find(existsSync);
  const script = folder && join(folder, 'installArchSpecificPackage.js');
  if (!script || !existsSync(script)) return;
  process.stderr.write(`Tunery: fetching Node ${NEEDED_MAJOR} from npm …\n`);
  spawnSync(process.execPath, [script], { cwd: folder, stdio: ['ignore', 2, 2], env: npmEnv() });
}

function npm(args) {
  const options = { cwd: ROOT, stdio: ['ignore', 2, 2], env: npmEnv() };
  const script = process.env.npm_execpath;
  const result =
    script !== undefined && /\.c?js$/.test(script)
      ? spawnSync(process.execPath, [script, ...args], options)
      : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (result.error) {
    throw new SetupError(`Cannot run npm: ${result.error.message}. Install npm, then try again.`);
  }
  return result.status;
}

// npm before 11 ignores `allowScripts`: these keep install scripts from downloads we do not need.
function npmEnv() {
  return {
    ...process.env,
    npm_config_onnxruntime_node_install: 'skip',
    NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true',
  };
}

function findNode() {
  if (major(process.version) >= NEEDED_MAJOR) return process.execPath;
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const candidates = MODULES.flatMap((modules) => {
    const own = join(modules, 'node');
    const platform = [modules, join(own, 'node_modules')].flatMap((folder) =>
      existsSync(folder)
        ? readdirSync(folder)
            .filter((entry) => /^node-(bin-)?(linux|darwin|win)/.test(entry))
            .map((entry) => join(folder, entry, 'bin', name))
        : [],
    );
    return [join(own, 'bin', name), join(modules, '.bin', name), ...platform];
  });
  return candidates.find((path) => existsSync(path) && runs(path)) ?? null;
}

function runs(path) {
  const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return status === 0 && major(stdout) >= NEEDED_MAJOR;
}

function major(version) {
  return Number(/^v(\d+)/.exec(version)?.[1] ?? 0);
}
