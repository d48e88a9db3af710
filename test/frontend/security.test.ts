import { copyFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type Frontend, type FrontendOptions, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import type { Logger, WorkerOptions } from '../../lib/index.js';
import { type Certificates, withCertificates } from '../helpers/certificates.js';
import { until } from '../helpers/package.js';
import { endToy, post, startToy, stream, type ToyWorker } from './fleet.js';

const TOKEN = 'a-token-of-this-fleet';
const NEXT = 'the-token-that-follows';

/** A worker with these options, and a frontend in front of it with those. */
async function withPair(
  options: Partial<WorkerOptions>,
  frontendOptions: Partial<FrontendOptions>,
  use: (frontend: Frontend, worker: ToyWorker) => Promise<void>,
): Promise<void> {
  const worker = await startToy('one', { options });
  let frontend: Frontend | null = null;
  try {
    frontend = await startFrontend({ port: 0, ...frontendOptions, workers: [worker.url] });
    await use(frontend, worker);
  } finally {
    await frontend?.close();
    endToy(worker);
  }
}

const isServing = (frontend: Frontend) => () => frontend.workers()[0]?.state === 'serving';
const problem = (frontend: Frontend) => () => frontend.workers()[0]?.problem;

function logInto(lines: string[]): Logger {
  const add = (fields: object, message?: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { debug: add, info: add, warn: add, error: add };
}

/** GET over TLS; resolves with the status. */
function get(url: string, ca: Buffer | undefined, more: object = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...(ca === undefined ? {} : { ca }), agent: false, ...more }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('the token between frontends and workers', () => {
  it('is asked for on every route of a worker, and not by its probes', async () => {
    const worker = await startToy('one', { options: { token: TOKEN } });
    try {
      for (const path of ['/v1/models', '/v1/beacons', '/nothing']) {
        const answer = await fetch(worker.url + path);
        expect([path, answer.status, answer.headers.get('www-authenticate')]).toEqual([path, 401, 'Bearer']);
        expect(await answer.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
      }
      const tries = [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`, 'Bearer ', TOKEN];
      for (const authorization of tries) {
        const answer = await post(worker.url, { prompt: 'x', max_tokens: 1 }, { headers: { authorization } });
        expect([authorization, answer.status]).toEqual([authorization, 401]);
      }
      const headers = { authorization: `bearer ${TOKEN}` };
      expect((await post(worker.url, { prompt: 'x', max_tokens: 1 }, { headers })).status).toBe(200);
      expect((await fetch(`${worker.probes}/livez`)).status).toBe(200);
    } finally {
      endToy(worker);
    }
  });

  it('opens a worker to a frontend that knows it, and never reaches that frontend’s clients', async () => {
    await withPair({ token: TOKEN }, { token: [TOKEN, NEXT] }, async (frontend) => {
      await until(isServing(frontend));
      const { isDone } = await stream(frontend.url, { prompt: 'open', max_tokens: 3 });
      expect(isDone).toBe(true);
    });
  });

  it('that is wrong shows as such, once, and ejects nobody', async () => {
    const lines: string[] = [];
    await withPair({ token: TOKEN }, { token: NEXT, logger: logInto(lines) }, async (frontend) => {
      expect(await until(problem(frontend))).toBe('token');
      // Several tries later.
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(lines.filter((line) => line.startsWith('the worker refuses our token'))).toHaveLength(1);
      expect(frontend.workers()[0]).toMatchObject({ state: 'gone', isEjected: false });
      expect((await post(frontend.url, { prompt: 'x' })).status).toBe(503);
      expect(lines.join()).not.toContain(NEXT);
    });
  });

  it('changes without a gap: the worker takes both, the frontend shows the new one, the old one goes', async () => {
    await withCertificates(async ({ folder }) => {
      const [ofWorker, ofFrontend] = [join(folder, 'worker'), join(folder, 'frontend')];
      writeFileSync(ofWorker, `${TOKEN}\n`);
      writeFileSync(ofFrontend, `${TOKEN}\n`);
      await withPair({ tokenFile: ofWorker }, { tokenFile: ofFrontend }, async (frontend, worker) => {
        await until(isServing(frontend));
        const authorization = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
        const knows = async (token: string): Promise<boolean> =>
          (await fetch(`${worker.url}/v1/models`, authorization(token))).status === 200;
        writeFileSync(ofWorker, `${TOKEN}\n${NEXT}\n`);
        await until(() => knows(NEXT));
        expect(await knows(TOKEN)).toBe(true);
        // An unreadable list changes nothing.
        writeFileSync(ofFrontend, 'short\n');
        writeFileSync(ofWorker, `${NEXT}\n`);
        await until(async () => !(await knows(TOKEN)));
        // The frontend comes late: its next request is refused, and that is no failure of the worker.
        expect((await post(frontend.url, { prompt: 'x', max_tokens: 2 })).status).toBe(503);
        expect(problem(frontend)()).toBe('token');
        writeFileSync(ofFrontend, `${NEXT}\n`);
        await until(isServing(frontend));
        expect(frontend.workers()[0]?.isEjected).toBe(false);
        expect((await stream(frontend.url, { prompt: 'after', max_tokens: 3 })).isDone).toBe(true);
      });
    });
  });
});

describe('TLS', () => {
  const trusting = ({ ca }: Certificates): Partial<FrontendOptions> => ({ workerTls: { ca } });

  it('carries beacons and streams between a frontend and its workers', async () => {
    await withCertificates(async (certificates) => {
      const tls = certificates.make('worker');
      await withPair(
        { tls, token: TOKEN },
        { ...trusting(certificates), token: TOKEN },
        async (frontend, worker) => {
          expect(worker.url).toMatch(/^https:/);
          await until(isServing(frontend));
          expect((await stream(frontend.url, { prompt: 'secret', max_tokens: 3 })).isDone).toBe(true);
          await expect(tlsVersion(worker.url, 'TLSv1.1')).rejects.toThrow();
        },
      );
    });
  });

  it.each([
    ['an authority that the frontend does not know', {}, {}],
    ['a certificate that has expired', { days: -1 }, { trusts: true }],
    ['a certificate for another name', { names: 'DNS:other.example' }, { trusts: true }],
  ])(
    '%s is said, and nobody is ejected',
    async (_what, certificate, { trusts = false }: { trusts?: boolean }) => {
      await withCertificates(async (certificates) => {
        const tls = certificates.make('worker', certificate);
        const options = trusts ? trusting(certificates) : {};
        await withPair({ tls }, options, async (frontend) => {
          expect(await until(problem(frontend))).toBe('tls');
          expect(frontend.workers()[0]).toMatchObject({ state: 'gone', isEjected: false });
          expect((await post(frontend.url, { prompt: 'x' })).status).toBe(503);
        });
      });
    },
  );

  it('is asked of workers that are found, so that who can register gets no token in clear', async () => {
    await withCertificates(async (certificates) => {
      const directory = join(certificates.folder, 'run');
      const shown: unknown[] = [];
      const thief = createServer((incoming, response) => {
        shown.push(incoming.headers.authorization);
        response.writeHead(404).end();
      });
      await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
      const advertise = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
      const options = { token: TOKEN, discovery: { directory, advertise } };
      const tls = certificates.make('worker');
      const workers = [
        await startToy('false', { options }),
        await startToy('true', { options: { tls, token: TOKEN, discovery: { directory } } }),
      ];
      const lines: string[] = [];
      const frontend = await startFrontend({
        ...{ port: 0, token: TOKEN, discovery: { directory }, logger: logInto(lines) },
        ...trusting(certificates),
      });
      try {
        await until(isServing(frontend));
        await until(() => lines.some((line) => line.startsWith('a worker without TLS is registered')));
        expect(frontend.workers().map(({ url }) => url)).toEqual([workers[1]?.url]);
        expect(shown).toEqual([]);
      } finally {
        await frontend.close();
        for (const worker of workers) endToy(worker);
        thief.close();
      }
    });
  });

  it('lets a worker ask for the certificate of its frontends', async () => {
    await withCertificates(async (certificates) => {
      const tls = { ...certificates.make('worker'), ca: certificates.ca };
      const own = certificates.make('frontend');
      await withPair({ tls }, { workerTls: { ca: certificates.ca, ...own } }, async (frontend) => {
        await until(isServing(frontend));
        expect((await stream(frontend.url, { prompt: 'both', max_tokens: 3 })).isDone).toBe(true);
      });
      // Such a server closes the connection without a word why.
      const lines: string[] = [];
      await withPair({ tls }, { ...trusting(certificates), logger: logInto(lines) }, async (frontend) => {
        await until(() => lines.some((line) => line.startsWith('worker not reached')));
        expect(frontend.workers()[0]).toMatchObject({ state: 'gone', isEjected: false });
      });
    });
  });

  it('takes a changed certificate over, and keeps the old one where the new one is none', async () => {
    await withCertificates(async (certificates) => {
      const [first, second] = [certificates.make('first'), certificates.make('second')];
      const tls = { cert: join(certificates.folder, 'api.pem'), key: join(certificates.folder, 'api.key') };
      const use = ({ cert, key }: typeof first): void => {
        copyFileSync(cert, tls.cert);
        copyFileSync(key, tls.key);
      };
      use(first);
      const lines: string[] = [];
      await withPair({}, { tls, apiToken: TOKEN, logger: logInto(lines) }, async (frontend) => {
        expect(frontend.url).toMatch(/^https:/);
        expect(await subjectOf(frontend.url)).toBe('first');
        writeFileSync(tls.cert, 'half a cert');
        await until(() => lines.some((line) => line.startsWith('certificates not reloaded')));
        expect(await subjectOf(frontend.url)).toBe('first');
        use(second);
        await until(async () => (await subjectOf(frontend.url)) === 'second');
      });
    });
  });

  it('on the API of a frontend goes with tokens for clients; probes and scrapers need none', async () => {
    await withCertificates(async (certificates) => {
      const tls = certificates.make('api');
      const { readFileSync } = await import('node:fs');
      const ca = readFileSync(certificates.ca);
      await withPair({}, { tls, apiToken: TOKEN }, async (frontend) => {
        await until(isServing(frontend));
        expect(await get(`${frontend.url}/v1/models`, ca)).toBe(401);
        const headers = { authorization: `Bearer ${TOKEN}` };
        expect(await get(`${frontend.url}/v1/models`, ca, { headers })).toBe(200);
        for (const path of ['/health', '/live', '/metrics?x=1'])
          expect(await get(frontend.url + path, ca)).toBe(200);
        await expect(get(`${frontend.url}/live`, undefined)).rejects.toThrow(/certificate/);
      });
    });
  });
});

describe('what is wrong with certificates and tokens is said at the start', () => {
  it.each<[string, Partial<FrontendOptions>, RegExp]>([
    [
      'a short token',
      { token: 'short' },
      /option token: expected tokens of 16 to 4096 bytes.*one of 5 bytes/,
    ],
    ['a token with a space', { token: 'a token with a space' }, /visible ASCII/],
    ['token and file', { token: TOKEN, tokenFile: '/x' }, /either token or tokenFile/],
    ['no file', { tokenFile: '/nowhere' }, /option tokenFile: expected a readable file \(ENOENT\)/],
    ['an empty file', { tokenFile: '/dev/null' }, /regular file/],
    ['no certificate', { tls: { cert: '/nowhere', key: '/nowhere' } }, /option tls.cert.*ENOENT/],
    [
      'a certificate that is none',
      { workerTls: { ca: 'package.json' } },
      /option workerTls: expected PEM files/,
    ],
    ['a key alone', { workerTls: { key: 'x' } }, /cert and key together/],
    [
      'another key',
      { workerTls: { cart: 'x' } as object },
      /unknown option workerTls 'cart' \(did you mean cert\?\); known: cert, key, ca/,
    ],
    ['no path', { workerTls: { ca: 7 as unknown as string } }, /option workerTls.ca: expected a path/],
  ])('%s', async (_what, options, message) => {
    const started = startFrontend({ port: 0, workers: ['http://127.0.0.1:1'], ...options });
    await expect(started).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('a key of another certificate', async () => {
    await withCertificates(async (certificates) => {
      const [one, two] = [certificates.make('one'), certificates.make('two')];
      const tls = { cert: one.cert, key: two.key };
      await expect(startFrontend({ port: 0, workers: ['http://127.0.0.1:1'], tls })).rejects.toThrow(/key/);
    });
  });

  it('an API that other machines reach is warned of, as long as token or TLS is missing', async () => {
    const lines: string[] = [];
    const options = { port: 0, workers: ['http://127.0.0.1:1'], logger: logInto(lines) };
    const warned = (): string[] => lines.filter((line) => line.startsWith('other machines'));
    await (await startFrontend({ ...options, host: '127.0.0.1' })).close();
    expect(warned()).toEqual([]);
    await (await startFrontend({ ...options, host: '0.0.0.0', apiToken: TOKEN })).close();
    expect(warned()).toEqual([expect.stringMatching(/without TLS \{/)]);
    await (await startFrontend({ ...options, host: '0.0.0.0' })).close();
    expect(warned()[1]).toMatch(/without a token and without TLS/);
  });
});

function subjectOf(url: string): Promise<string> {
  return handshake(url, {}).then(({ subject }) => subject);
}

function tlsVersion(url: string, version: 'TLSv1.1'): Promise<unknown> {
  return handshake(url, { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
}

function handshake(url: string, options: object): Promise<{ subject: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(
      { host: hostname, port: Number(port), rejectUnauthorized: false, ...options },
      () => {
        resolve({ subject: String(socket.getPeerCertificate().subject.CN) });
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}
