import type { Engine } from './probe-server.js';
import { request } from './raw-client.js';

export interface Outcome {
  /** Null: nothing is sent back. */
  readonly status: number | null;
  /** Whether the connection ends at once; else it serves the next request, or waits for its 10 s limit. */
  readonly closes: boolean;
}

export interface Difference extends Readonly<Record<Engine, Outcome>> {
  /** As `docs/http.md` names it. */
  readonly name: string;
  readonly bytes: string;
}

const kept = (status: number): Outcome => ({ status, closes: false });
const refused = (status: number): Outcome => ({ status, closes: true });
const CLOSED: Outcome = { status: null, closes: true };
const SILENT: Outcome = { status: null, closes: false };

/**
 * Requests that the two engines answer differently; everything else in this suite is the same on both.
 * The statuses of uWebSockets.js are those of 20.51.4 and 20.69.0. Its own refusals carry no `Cache-Control`.
 */
export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'HTTP/1.0',
    bytes: 'GET /live HTTP/1.0\r\n\r\n',
    uws: refused(505),
    http: refused(200),
  },
  {
    name: 'HTTP/1.0 with `Connection: keep-alive`',
    bytes: 'GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    uws: refused(505),
    http: kept(200),
  },
  {
    name: "HAProxy's default check, `OPTIONS / HTTP/1.0`",
    bytes: 'OPTIONS / HTTP/1.0\r\n\r\n',
    uws: refused(505),
    http: refused(204),
  },
  { name: 'no `Host`', bytes: 'GET /live HTTP/1.1\r\n\r\n', uws: refused(400), http: kept(200) },
  {
    name: 'two `Host` fields',
    bytes: 'GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    uws: refused(400),
    http: kept(200),
  },
  {
    name: 'absolute form, `GET http://host/path`',
    bytes: request('GET', 'http://test/live?a=b'),
    uws: refused(505),
    http: kept(200),
  },
  { name: '`OPTIONS *`', bytes: request('OPTIONS', '*'), uws: refused(505), http: kept(204) },
  { name: '`CONNECT host:port`', bytes: request('CONNECT', 'test:80'), uws: refused(505), http: CLOSED },
  {
    name: 'a target without a leading `/`',
    bytes: request('GET', 'live'),
    uws: refused(505),
    http: refused(400),
  },
  { name: 'a method in lower case', bytes: request('get', '/live'), uws: kept(405), http: refused(400) },
  { name: 'a method nobody knows', bytes: request('FOO', '/live'), uws: kept(405), http: refused(400) },
  {
    name: 'two blanks after the method',
    bytes: 'GET  /live HTTP/1.1\r\nHost: test\r\n\r\n',
    uws: refused(505),
    http: kept(200),
  },
  {
    name: 'lines that end with LF alone',
    bytes: 'GET /live HTTP/1.1\nHost: test\n\n',
    uws: refused(505),
    http: refused(400),
  },
  {
    name: 'empty lines before the request',
    bytes: `\r\n\r\n${request('GET', '/live')}`,
    uws: SILENT,
    http: kept(200),
  },
  { name: 'a NUL in the target', bytes: request('GET', '/live\0'), uws: refused(505), http: refused(400) },
  {
    name: 'HTTP/2 with prior knowledge',
    bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    uws: refused(505),
    http: refused(400),
  },
  {
    name: 'a TLS client hello',
    bytes: '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03',
    uws: refused(505),
    http: refused(400),
  },
  { name: 'text that is not HTTP', bytes: 'GARBAGE\r\n\r\n', uws: SILENT, http: refused(400) },
  {
    name: 'a header of 5,000 bytes',
    bytes: request('GET', '/live', [`X-Large: ${'a'.repeat(5_000)}`]),
    uws: refused(431),
    http: kept(200),
  },
  {
    name: 'a target of 5,000 bytes',
    bytes: request('GET', `/${'a'.repeat(5_000)}`),
    uws: refused(431),
    http: kept(404),
  },
  {
    name: '150 header fields',
    bytes: request('GET', '/live', Array<string>(150).fill('a: b')),
    uws: refused(431),
    http: kept(200),
  },
];

/** The row of the table in `docs/http.md`. */
export function differenceRow({ name, uws, http }: Difference): string {
  return `| ${name} | ${inWords(uws)} | ${inWords(http)} |`;
}

function inWords({ status, closes }: Outcome): string {
  if (status === null) return closes ? 'closed without an answer' : 'no answer; closed after 10 s';
  return closes ? `${status}, closed` : `${status}`;
}
