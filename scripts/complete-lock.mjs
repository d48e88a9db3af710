// `npm run complete-lock [-- FOLDER]`, after an `npm install` that changed package-lock.json. npm leaves optional packages for other
// platforms out of the lock file where the registry in use does not have them, and `npm ci` then calls the file out of sync.
// Their versions are pinned by the packages that name them, so the entries can be written without the registry.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const CPUS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** Entries that package-lock.json lacks, by their path in it. */
export function missingEntries({ packages }) {
  const missing = {};
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const entry = `node_modules/${name}`;
      if (entry in packages || `${path}/${entry}` in packages) continue;
      missing[entry] = { version, ...platformOf(name), ...(dev ? { dev } : {}), optional: true };
    }
  }
  return missing;
}

/** Some packages are named after a system as people call it. */
const ALIASES = { mac: 'darwin', win: 'win32' };

/** npm installs a package without these fields everywhere. */
function platformOf(name) {
  const words = name.split(/[^a-z0-9]+/).map((word) => ALIASES[word] ?? word);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = CPUS.find((candidate) => words.includes(candidate));
  if (os === undefined || cpu === undefined) throw new Error(`${name}: for which platform is it?`);
  return { cpu: [cpu], os: [os], ...(words.includes('musl') ? { libc: ['musl'] } : {}) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const file = resolve(root, process.argv[2] ?? '.', 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const { '': self, ...others } = { ...lock.packages, ...missingEntries(lock) };
  const sorted = Object.entries(others).sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = { '': self, ...Object.fromEntries(sorted) };
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
