import { describe, expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { serveWorker } from '../../dist/cjs/worker/serve-worker.js';

const invalid = (message: RegExp) => ({
  code: 'ERR_CONFIG_INVALID',
  message: expect.stringMatching(message),
});

describe('a frontend is not started with', () => {
  it.each<[object, RegExp]>([
    [{ prot: 8000 }, /unknown option 'prot' \(did you mean port\?\); known: workers, discovery/],
    [{ admission: { maxConcurent: 3 } }, /option admission 'maxConcurent' \(did you mean maxConcurrent\?\)/],
    [{ admission: { adaptive: { target: 3 } } }, /option admission.adaptive 'target' .*targetMs/],
    [{ admission: { codel: { intervallMs: 3 } } }, /option admission.codel 'intervallMs' .*intervalMs/],
    [{ admission: { classes: [{ naem: 'a' }] } }, /option admission.classes\[0\] 'naem' \(did you mean name/],
    [{ migration: { limit: 3 } }, /unknown option migration 'limit'/],
    [{ migration: { migrationLimit: '3' } }, /migration.migrationLimit: expected an integer.*received "3"/],
    [{ host: '' }, /host: expected the name or the address of an interface, received ""/],
    [{ migration: { poisonWorkers: 0 } }, /migration.poisonWorkers: expected an integer from 1.*received 0/],
    [{ migration: { poisonWorkers: 1.5 } }, /migration.poisonWorkers: expected an integer.*received 1.5/],
    [{ thresholds: { activeDecodeBlock: 0.9 } }, /'activeDecodeBlock' \(did you mean activeDecodeBlocks/],
    [{ thresholds: { activeDecodeBlocks: -1 } }, /thresholds.activeDecodeBlocks: expected a number/],
    [{ discovery: { namespce: 'x' } }, /option discovery 'namespce' \(did you mean namespace/],
    [{ discovery: { etcd: { endpoint: [] } } }, /option discovery.etcd 'endpoint' \(did you mean endpoints/],
    [{ discovery: 'etcd' }, /option discovery: expected an object, received "etcd"/],
    [{ events: { server: 'nats://x' } }, /option events 'server' \(did you mean servers/],
    [{ tls: { cret: 'x' } }, /option tls 'cret' \(did you mean cert/],
    [{ paths: { helth: '/x' } }, /'helth' \(did you mean health/],
    [{ healthMode: 'strikt' }, /healthMode: expected 'documented' or /],
    [{ maxBodyBytes: '10' }, /maxBodyBytes: expected a number/],
    [{ admission: 7 }, /option admission: expected an object, received 7/],
    [{ workers: ['localhost:8081'] }, /workers: expected .*with the http:\/\/ or https:\/\/, received/],
    [{ workers: ['ftp://a:1'] }, /not ftp:\/\/, received/],
    [{ workers: ['tgi+http://a:1'] }, /vllm\+.* before it, received/],
    [{ workers: ['http://a:1/v1'] }, /without the \/v1 behind it, received/],
    [{ workers: ['http://a:1/?x=1'] }, /without the \?x=1 behind it/],
    [{ workers: ['http://me@a:1'] }, /without a user name or password/],
    [{ workers: ['http://a:99999'] }, /a port from 0 to 65535/],
    [{ workers: [8081] }, /workers: expected URLs .*received 8081/],
    [{ workers: ['http://a:80', 'HTTP://A/'] }, /each URL once, however it is written/],
  ])('%j', async (options, message) => {
    const started = startFrontend({ port: 0, workers: ['http://127.0.0.1:1'], ...options });
    await expect(started).rejects.toMatchObject(invalid(message));
  });

  it('two names for a worker, however its URL is written', async () => {
    await using frontend = await startFrontend({ port: 0, workers: ['HTTP://LOCALHOST:80/', 'http://b:1/'] });
    expect(frontend.workers().map(({ url }) => url)).toEqual(['http://localhost', 'http://b:1']);
  });

  it('nothing at all', async () => {
    const none = undefined as unknown as object;
    await expect(startFrontend(none)).rejects.toMatchObject(invalid(/options: expected an object/));
  });
});

describe('a worker is not started with', () => {
  const engine = { model: 'toy', prompt: () => ({ tokens: 0, ids: null }), generate() {}, figures() {} };
  it.each<[object, RegExp]>([
    [{ engine, host: '' }, /host: expected the name or the address of an interface, received ""/],
    [{ engine, prot: 8000 }, /unknown option 'prot' \(did you mean port\?\); known: engine, port/],
    [{ engine, discovery: { advertize: 'x' } }, /option discovery 'advertize' \(did you mean advertise/],
    [{ engine, events: { tokn: 'x' } }, /option events 'tokn' \(did you mean token/],
    [{ engine, tls: { cert: '/x', kez: '/x' } }, /option tls 'kez' \(did you mean key/],
    [{ engine, health: { prot: 1 }, discovery: false }, /unknown option 'prot' \(did you mean port/],
    [{}, /engine: expected an engine, or a function that makes one, received undefined/],
    [{ engine: { model: 'toy' } }, /generate is a function, received undefined/],
    [{ engine, name: 7 }, /name: expected a non-empty string, received 7/],
  ])('%j', async (options, message) => {
    const started = serveWorker({ port: 0, ...options } as never);
    await expect(started).rejects.toMatchObject(invalid(message));
  });
});
