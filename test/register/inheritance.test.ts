import { describe, expect, test } from 'vitest';
import { isLauncher, OWNER, ownerMark, whyNotHere } from '../../lib/register/inheritance.js';

const alive = { pid: 200, isClusterWorker: false, isAlive: () => true };

describe('where register starts health', () => {
  test('in a process of its own', () => {
    expect(whyNotHere({}, alive)).toBeNull();
    expect(whyNotHere({ INFERENCE_HEALTH_PORT: '9000' }, alive)).toBeNull();
  });

  test('not in a child of a process that serves it, and says what to do', () => {
    const environment = { [OWNER]: ownerMark(100, {}) };
    expect(whyNotHere(environment, alive)).toMatch(
      /process 200: its parent 100 serves health; set another INFERENCE_HEALTH_PORT/,
    );
  });

  test('not in a child that has inherited the port as well', () => {
    const port = { INFERENCE_HEALTH_PORT: '9000' };
    expect(whyNotHere({ ...port, [OWNER]: ownerMark(100, port) }, alive)).toMatch(
      /parent 100 serves health \(9000\)/,
    );
    const listeners = { INFERENCE_HEALTH_LISTENERS: 'unix:/run/a b.sock' };
    expect(whyNotHere({ ...listeners, [OWNER]: ownerMark(100, listeners) }, alive)).toMatch(
      /\(unix:\/run\/a b.sock\)/,
    );
  });

  test('in a child with a port or a socket of its own', () => {
    const mark = { [OWNER]: ownerMark(100, { INFERENCE_HEALTH_PORT: '9000' }) };
    expect(whyNotHere({ ...mark, INFERENCE_HEALTH_PORT: '9001' }, alive)).toBeNull();
    expect(
      whyNotHere(
        { ...mark, INFERENCE_HEALTH_PORT: '9000', INFERENCE_HEALTH_LISTENERS: 'unix:/run/b' },
        alive,
      ),
    ).toBeNull();
    expect(whyNotHere({ ...mark, INFERENCE_HEALTH_PORT: '' }, alive)).not.toBeNull();
  });

  test('in a process whose parent has ended, or that has replaced itself', () => {
    const environment = { [OWNER]: ownerMark(100, {}) };
    expect(whyNotHere(environment, { ...alive, isAlive: () => false })).toBeNull();
    expect(whyNotHere(environment, { ...alive, pid: 100 })).toBeNull();
    expect(whyNotHere({ [OWNER]: 'nonsense' }, alive)).toBeNull();
  });

  test('not in a cluster worker, unless it has a port of its own', () => {
    const worker = { ...alive, isClusterWorker: true };
    expect(whyNotHere({}, worker)).toMatch(/cluster worker 200: set an INFERENCE_HEALTH_PORT/);
    expect(whyNotHere({ INFERENCE_HEALTH_PORT: '9001' }, worker)).toBeNull();
  });

  test.each([
    '/usr/bin/npm',
    '/usr/lib/node_modules/npm/bin/npm-cli.js',
    '/usr/lib/node_modules/npm/bin/npx-cli.js',
    '/app/.yarn/releases/yarn-4.1.0.cjs',
    'C:\\Program Files\\nodejs\\node_modules\\corepack\\dist\\pnpm.js',
    '/app/node_modules/.bin/nodemon',
    '/usr/lib/node_modules/pm2/bin/pm2',
    '/usr/lib/node_modules/pm2/lib/Daemon.js',
    '/app/node_modules/.bin/inference-health',
  ])('not in a launcher: %s', (entry) => {
    expect(isLauncher(entry)).toBe(true);
  });

  test.each([
    undefined,
    '/app/server.js',
    '/app/npm/index.js',
    '/app/yarn-server.js',
    '/app/my-npm',
    '/app/lib/Daemon.js',
    '/usr/lib/node_modules/pm2/lib/ProcessContainerFork.js',
    '/app/tsx.config.js',
  ])('in an application: %s', (entry) => {
    expect(isLauncher(entry)).toBe(false);
  });
});
