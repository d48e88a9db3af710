import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { type Frontend, type FrontendOptions, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { beaconSubject } from '../../lib/events/subjects.js';
import type { Logger, NatsOptions } from '../../lib/index.js';
import { endToy, post, startToy, stream, type ToyWorker } from '../frontend/fleet.js';
import { withCertificates } from '../helpers/certificates.js';
import { type NatsServer, withNats } from '../helpers/nats.js';
import { ROOT, sleep, until } from '../helpers/package.js';
import { promtoolComplaint } from '../metrics/promtool.js';

interface Fleet {
  readonly frontend: Frontend;
  readonly worker: ToyWorker;
  readonly nats: NatsServer;
  readonly log: string[];
}

/** A NATS server, a worker and a frontend that are told of it. */
async function withFleet(
  { args = [], auth = {}, ...options }: { args?: string[]; auth?: NatsOptions } & Partial<FrontendOptions>,
  use: (fleet: Fleet) => Promise<void>,
): Promise<void> {
  await withNats(args, async (nats) => {
    const events = { servers: nats.url, ...auth };
    const worker = await startToy('10.0.0.7:8000', { options: { events } });
    const log: string[] = [];
    let frontend: Frontend | null = null;
    try {
      frontend = await startFrontend({
        port: 0,
        events,
        logger: logInto(log),
        ...options,
        workers: [worker.url],
      });
      await until(() => frontend?.workers()[0]?.state === 'serving');
      await use({ frontend, worker, nats, log });
    } finally {
      await frontend?.close();
      endToy(worker);
    }
  });
}

function logInto(lines: string[]): Logger {
  const add = (fields: object, message?: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { debug: add, info: add, warn: add, error: add };
}

const view = (frontend: Frontend) => frontend.events() ?? expect.fail('no NATS');
const heard = (frontend: Frontend): number => view(frontend).received + view(frontend).ignored.old;
/** Beacons go on to come over NATS. */
const isHeard = async (frontend: Frontend): Promise<boolean> => {
  const before = heard(frontend);
  await sleep(300);
  return heard(frontend) > before;
};
const sequence = (beacon: string): number => (JSON.parse(beacon) as { seq: number }).seq;
const streams = async ({ url }: Frontend, tokens = 3) =>
  (await stream(url, { prompt: 'x', max_tokens: tokens })).isDone;

/** Somebody else on the same server. */
async function withOther(nats: NatsServer, use: (other: NatsConnection) => Promise<void>): Promise<void> {
  const other = await connect({ servers: nats.url });
  try {
    await use(other);
  } finally {
    await other.close();
  }
}

describe('beacons over NATS', () => {
  it('come beside those over HTTP, and each counts once', async () => {
    await withFleet({}, async ({ frontend, worker }) => {
      await until(() => heard(frontend) > 4);
      expect(view(frontend)).toMatchObject({ isConnected: true, reconnects: 0, dropped: 0 });
      expect(view(frontend).ignored).toMatchObject({ malformed: 0, oversize: 0, mismatch: 0 });
      const metrics = await (await fetch(`${frontend.url}/metrics`)).text();
      expect(metrics).toMatch(/^inference_health_events_connected 1$/m);
      expect(metrics).toMatch(/^inference_health_events_ignored_total\{reason="malformed"\} 0$/m);
      const own = await until(async () => {
        const text = await (await fetch(`${worker.probes}/metrics`)).text();
        return /^inference_health_events_sent_total [1-9]/m.test(text) ? text : null;
      });
      expect(own).toMatch(/^inference_health_events_connected 1$/m);
      expect(own).toMatch(/^inference_health_events_(reconnects|dropped)_total \d+$/m);
      expect(promtoolComplaint(own)).toBeNull();
    });
  });

  it('alone are enough, and HTTP is back when they stop', async () => {
    await withFleet({ beacons: 'nats' }, async ({ frontend, nats }) => {
      // With the HTTP stream at rest each beacon comes over NATS alone: none is old.
      await until(async () => {
        const { received, ignored } = view(frontend);
        await sleep(600);
        return view(frontend).received >= received + 2 && view(frontend).ignored.old === ignored.old;
      });
      await nats.kill();
      for (let i = 0; i < 5; i += 1) {
        expect(await streams(frontend)).toBe(true);
        await sleep(600);
      }
      await until(() => frontend.workers()[0]?.condition === 'alive');
      expect(frontend.workers()[0]).toMatchObject({ state: 'serving', isEjected: false });
      await nats.start();
      await until(() => isHeard(frontend));
    });
  });

  it('say at once that a worker drains', async () => {
    await withFleet({ beacons: 'nats' }, async ({ frontend, worker }) => {
      await until(() => isHeard(frontend));
      const running = stream(frontend.url, { prompt: 'last', max_tokens: 1500 });
      await until(() => frontend.workers()[0]?.inFlight === 1);
      worker.child.kill('SIGTERM');
      await until(() => frontend.workers()[0]?.state === 'draining');
      expect((await post(frontend.url, { prompt: 'late' })).status).toBe(503);
      worker.steer({ tokenMs: 0 });
      await running.catch(() => undefined);
    });
  });
});

describe('without NATS', () => {
  it('killed and back: no request fails, and the connection is made again', async () => {
    await withFleet({}, async ({ frontend, nats, log }) => {
      await until(() => isHeard(frontend));
      await nats.kill();
      await until(() => !view(frontend).isConnected);
      for (let i = 0; i < 5; i += 1) expect(await streams(frontend)).toBe(true);
      await nats.start();
      await until(() => view(frontend).isConnected);
      await until(() => isHeard(frontend));
      expect(view(frontend).reconnects).toBeGreaterThan(0);
      expect(log.filter((line) => line.startsWith('connection to NATS lost'))).toHaveLength(1);
    });
  });

  it('stopped: it is found silent within seconds, and HTTP carries on', async () => {
    await withFleet({ beacons: 'nats' }, async ({ frontend, nats }) => {
      await until(() => isHeard(frontend));
      nats.pause();
      const running = streams(frontend, 300);
      await until(() => !view(frontend).isConnected);
      expect(await running).toBe(true);
      await until(() => frontend.workers()[0]?.condition === 'alive');
      expect(frontend.workers()[0]?.isEjected).toBe(false);
      nats.resume();
      await until(() => view(frontend).isConnected);
    });
  });

  it('from the start: worker and frontend start and serve, and keep trying', async () => {
    const lines: string[] = [];
    const events = { servers: ['nats://127.0.0.1:1', 'nats://127.0.0.1:2'] };
    const worker = await startToy('one', { options: { events } });
    const frontend = await startFrontend({ port: 0, events, logger: logInto(lines), workers: [worker.url] });
    try {
      await until(() => frontend.workers()[0]?.state === 'serving');
      expect(await streams(frontend)).toBe(true);
      await until(() => lines.some((line) => line.startsWith('no connection to NATS')));
      await sleep(1000);
      expect(lines.filter((line) => line.startsWith('no connection to NATS'))).toHaveLength(1);
    } finally {
      await frontend.close();
      endToy(worker);
    }
  });
});

describe('who may', () => {
  it.each<[string, string[], NatsOptions]>([
    ['a user and a password', ['--user', 'fleet', '--pass', 'secret'], { user: 'fleet', password: 'secret' }],
    ['a token', ['--auth', 'secret-token'], { token: 'secret-token' }],
  ])('connect with %s', async (_what, args, auth) => {
    await withFleet({ args, auth }, async ({ frontend }) => {
      await until(() => isHeard(frontend));
    });
  });

  it('is said where the password is wrong, once, without it, and service goes on', async () => {
    const auth = { user: 'fleet', password: 'wrong-one' };
    await withFleet({ args: ['--user', 'fleet', '--pass', 'secret'], auth }, async ({ frontend, log }) => {
      const refusals = (): string[] => log.filter((line) => /authorization violation/i.test(line));
      await until(() => refusals().length > 0);
      expect(await streams(frontend)).toBe(true);
      await sleep(1500);
      expect(refusals()).toHaveLength(1);
      expect(log.join()).not.toContain('wrong-one');
      expect(view(frontend)).toMatchObject({ isConnected: false });
    });
  });

  it('over TLS, with the authority given', async () => {
    await withCertificates(async ({ make, ca }) => {
      const { cert, key } = make('nats');
      const args = ['--tls', '--tlscert', cert, '--tlskey', key];
      await withFleet({ args, auth: { tlsCa: ca } }, async ({ frontend }) => {
        await until(() => isHeard(frontend));
      });
      await withFleet({ args }, async ({ frontend, log }) => {
        await until(() => log.some((line) => /no connection to NATS.*(certificate|self.signed)/i.test(line)));
        expect(await streams(frontend)).toBe(true);
      });
    });
  });
});

describe('what anybody may publish', () => {
  it('is for the server to say, as the documented permissions do', async () => {
    const page = readFileSync(join(ROOT, 'docs/events.md'), 'utf8');
    const text = /^authorization [\s\S]*?^] }$/m.exec(page)?.[0] ?? expect.fail('no example');
    const folder = mkdtempSync(join(tmpdir(), 'inference-health-nats-'));
    const file = join(folder, 'nats.conf');
    const mine = beaconSubject('dynamo', 'backend', '10.0.0.7:8000');
    writeFileSync(
      file,
      text
        .replace('$W7', 'secret')
        .replace('$FE', 'secret')
        .replace('inference-health.v1.dynamo.backend.beacon.worker-7', mine),
    );
    try {
      await withNats(['-c', file], async (nats) => {
        const events = { servers: nats.url, password: 'secret' };
        const worker = await startToy('10.0.0.7:8000', {
          options: { events: { ...events, user: 'worker-7' } },
        });
        const frontend = await startFrontend({
          ...{ port: 0, discovery: false, workers: [worker.url] },
          events: { ...events, user: 'frontend' },
        });
        const other = await connect({ servers: nats.url, user: 'worker-7', pass: 'secret' });
        try {
          await until(() => isHeard(frontend));
          const refused: string[] = [];
          (async () => {
            for await (const status of other.status())
              if (status.type === 'error') refused.push(status.error.message);
          })().catch(() => undefined);
          other.publish(beaconSubject('dynamo', 'backend', 'worker-8'), '{}');
          await until(() => refused.some((message) => /permissions violation/i.test(message)));
          expect(view(frontend).ignored.malformed).toBe(0);
        } finally {
          await other.close();
          await frontend.close();
          endToy(worker);
        }
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is ignored and counted: garbage, too much, strangers, another’s name, the past', async () => {
    await withFleet({}, async ({ frontend, worker, nats }) => {
      await withOther(nats, async (other) => {
        let real = '';
        const own = beaconSubject('dynamo', 'backend', worker.name);
        const subscription = other.subscribe(own, {
          callback: (_error, message) => {
            real = message.string();
          },
        });
        await until(() => real !== '' && heard(frontend) > 2);
        const first = real;
        // By then the frontend has heard later ones, too.
        await until(() => sequence(real) >= sequence(first) + 3);
        await sleep(300);
        const beacon = JSON.parse(real) as Record<string, unknown>;
        const before = view(frontend).ignored;
        const later = (more: object): string =>
          JSON.stringify({ ...beacon, seq: 1e6, state: 'draining', ...more });
        const garbage = [
          '',
          'null',
          '[]',
          '{"worker":',
          '\u0000\u0001',
          later({ seq: undefined }),
          later({ seq: 1.5 }),
        ];
        for (const text of [...garbage, later({ running: -1 })]) other.publish(own, text);
        other.publish(own, 'x'.repeat(900_000));
        other.publish(own, later({ model: 'm'.repeat(20_000) }));
        other.publish(own, later({ incarnation: 'another' }));
        other.publish(beaconSubject('dynamo', 'backend', 'stranger'), later({ worker: 'stranger' }));
        other.publish(beaconSubject('dynamo', 'backend', 'stranger'), later({}));
        other.publish('inference-health.v1.dynamo.backend.beacon.10', later({}));
        for (let i = 0; i < 10; i += 1) other.publish(own, first.replace('"serving"', '"draining"'));
        await other.flush();
        await until(() => view(frontend).ignored.old >= before.old + 10);
        const { malformed, oversize, unknown, mismatch } = view(frontend).ignored;
        expect([malformed, oversize, mismatch]).toEqual([8, 2, 2]);
        expect(unknown - before.unknown).toBe(2);
        expect(frontend.workers()).toHaveLength(1);
        await until(() => frontend.workers()[0]?.condition === 'alive');
        expect(frontend.workers()[0]).toMatchObject({ state: 'serving', isEjected: false });
        expect(await streams(frontend)).toBe(true);
        subscription.unsubscribe();
      });
    });
  });

  it('of a number far ahead does not silence the worker’s own connection', async () => {
    await withFleet({}, async ({ frontend, worker, nats }) => {
      await withOther(nats, async (other) => {
        const own = beaconSubject('dynamo', 'backend', worker.name);
        const real = await new Promise<string>((resolve) => {
          other.subscribe(own, { max: 1, callback: (_error, message) => resolve(message.string()) });
        });
        other.publish(
          own,
          JSON.stringify({ ...JSON.parse(real), seq: Number.MAX_SAFE_INTEGER, ready: false }),
        );
        await other.flush();
        await until(() => frontend.workers()[0]?.state === 'serving' && streams(frontend).catch(() => false));
        await sleep(3000);
        await until(() => frontend.workers()[0]?.condition === 'alive');
        expect(frontend.workers()[0]?.isEjected).toBe(false);
      });
    });
  });
});
