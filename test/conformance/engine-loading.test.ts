import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ENGINES } from './probe-server.js';

const require = createRequire(import.meta.url);
const built = dirname(require.resolve('../../dist/cjs/probe/http-engine.js'));

interface Loaded {
  readonly engine?: string;
  readonly note?: string;
  readonly code?: string;
  readonly message?: string;
}

/** Loads the engine in an application whose `node_modules` is made by `install`. */
function loadIn(choice: string, install: (nodeModules: string) => void): Loaded {
  const application = mkdtempSync(join(tmpdir(), 'probe-'));
  try {
    const nodeModules = join(application, 'node_modules');
    const own = join(nodeModules, 'inference-health', 'dist', 'cjs');
    mkdirSync(own, { recursive: true });
    symlinkSync(join(built, '../errors.js'), join(own, 'errors.js'));
    symlinkSync(built, join(own, 'probe'));
    install(nodeModules);
    const script = `
      try {
        const { loadHttpEngine } = require('inference-health/dist/cjs/probe/http-engine.js');
        const { engine, note, server } = loadHttpEngine(${JSON.stringify(choice)});
        server.close();
        console.log(JSON.stringify({ engine, note }));
      } catch ({ code, message }) {
        console.log(JSON.stringify({ code, message }));
      }`;
    writeFileSync(join(application, 'main.cjs'), script);
    const child = spawnSync(process.execPath, ['--preserve-symlinks', 'main.cjs'], {
      cwd: application,
      encoding: 'utf8',
      timeout: 50_000,
      killSignal: 'SIGKILL',
    });
    expect(child.stderr).toBe('');
    return JSON.parse(child.stdout) as Loaded;
  } finally {
    rmSync(application, { recursive: true, force: true });
  }
}

function installModule(nodeModules: string, name: string, source: string): void {
  const directory = join(nodeModules, name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'index.js'), source);
}

const FAKE = `
  const app = { filter: () => app, get: () => app, head: () => app, any: () => app, close: () => app };
  module.exports = { App: () => app, us_socket_local_port: () => 0, LIBUS_LISTEN_EXCLUSIVE_PORT: 1, _cfg() {} };`;

const platformPackage = `@uwsjs/${process.platform}-${process.arch}-${process.versions.node.split('.', 1)[0]}`;
const nothing = () => undefined;

test('uWebSockets.js loads where its binaries are made for: linux-x64 with glibc and Node 20 or 22', () => {
  const major = Number(process.versions.node.split('.', 1)[0]);
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const isSupported =
    process.platform === 'linux' &&
    process.arch === 'x64' &&
    report.header.glibcVersionRuntime !== undefined &&
    (major === 20 || major === 22);
  // Newer Node needs a glibc of 2.38 for it, and may or may not have it.
  if (isSupported) expect(ENGINES).toEqual(['uws', 'http']);
  else expect(ENGINES).toContain('http');
});

test('auto falls back to node:http without any package, and says what it tried', () => {
  const { engine, note } = loadIn('auto', nothing);
  expect(engine).toBe('http');
  expect(note).toBe(
    `node:http, since uWebSockets.js did not load (uWebSockets.js: not installed; ${platformPackage}: not installed)`,
  );
});

test('the copy of the application comes first', () => {
  const loaded = loadIn('auto', (nodeModules) => {
    installModule(nodeModules, 'uWebSockets.js', FAKE);
    installModule(nodeModules, platformPackage, 'throw new Error("not asked for")');
  });
  expect(loaded).toMatchObject({ engine: 'uws', note: 'uWebSockets.js, from the package uWebSockets.js' });
});

test('a copy that does not load is passed over for the next', () => {
  const loaded = loadIn('auto', (nodeModules) => {
    installModule(nodeModules, 'uWebSockets.js', 'throw new Error("This version of Node is not supported")');
    installModule(nodeModules, platformPackage, FAKE);
  });
  expect(loaded).toMatchObject({
    engine: 'uws',
    note: `uWebSockets.js, from the package ${platformPackage}`,
  });
});

test('a binary that does not fit the machine leads to node:http with the reason', () => {
  const { engine, note } = loadIn('auto', (nodeModules) => {
    installModule(nodeModules, platformPackage, "module.exports = require('./uws.node')");
    writeFileSync(join(nodeModules, platformPackage, 'uws.node'), 'not a library');
  });
  expect(engine).toBe('http');
  expect(note).toMatch(/uws\.node: (file too short|invalid ELF header)/);
});

test('something else under that name leads to node:http with the reason', () => {
  const { engine, note } = loadIn('auto', (nodeModules) => installModule(nodeModules, 'uWebSockets.js', ''));
  expect(engine).toBe('http');
  expect(note).toContain('uWebSockets.js: not a version of uWebSockets.js that can be used');
});

test('http is node:http even where uWebSockets.js loads', () => {
  const loaded = loadIn('http', (nodeModules) => installModule(nodeModules, 'uWebSockets.js', FAKE));
  expect(loaded).toMatchObject({ engine: 'http', note: 'node:http, as configured' });
});

test('uws is an error that names what was tried, where nothing loads', () => {
  const { code, message } = loadIn('uws', nothing);
  expect(code).toBe('ERR_CONFIG_INVALID');
  expect(message).toContain(`uWebSockets.js: not installed; ${platformPackage}: not installed`);
  expect(message).toContain("use 'auto' or 'http'");
});

test('another name is an error', () => {
  expect(loadIn('fastify', nothing)).toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringContaining(`'auto', 'uws' or 'http', got "fastify"`),
  });
});
