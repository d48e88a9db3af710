import { request } from 'node:http';
import { type Target, targetOfEnvironment, targetOfUrl } from './check-target.js';
import { EXIT } from './exit-codes.js';
import { outliveReaders } from './terminal.js';

const DEFAULT_TIMEOUT_MS = 2000;
const MAX_TIMEOUT_MS = 600_000;
const FLAGS = '--live, --ready, --timeout-ms';
/** Docker keeps 4096 bytes of a health check's output. */
const MAX_BODY_BYTES = 3000;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** `inference-health check`: 0 when the probe passes, else 1, never anything else (Docker reserves 2). */
export async function check(args: readonly string[]): Promise<number> {
  outliveReaders();
  try {
    const { target, timeoutMs } = parse(args);
    const { status, body } = await probe(target, timeoutMs);
    if (status >= 200 && status < 300) {
      process.stdout.write(`${target.name}: ${status}\n`);
      return EXIT.ok;
    }
    process.stderr.write(`${[`${target.name}: ${status}`, ...findings(body)].join('\n')}\n`);
  } catch (error) {
    process.stderr.write(
      `inference-health check: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  }
  return EXIT.failure;
}

function parse(args: readonly string[]): { target: Target; timeoutMs: number } {
  let path: string | undefined;
  let url: string | undefined;
  let timeoutMs = DEFAULT_TIMEOUT_MS;
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, flag = argument, inline] = /^(--timeout-ms)=(.*)$/s.exec(argument) ?? [];
    if (flag === '--live' || flag === '--ready') {
      if (path !== undefined) throw new Error('give --live or --ready, once');
      path = flag === '--live' ? '/livez' : '/readyz';
    } else if (flag === '--timeout-ms') timeoutMs = timeoutOf(inline ?? rest.shift());
    else if (flag.startsWith('-')) throw new Error(`unknown flag ${flag}; known: ${FLAGS}`);
    else if (url !== undefined) throw new Error(`expected one URL, received also ${argument}`);
    else url = argument;
  }
  const asked = path ?? '/livez';
  const target = url === undefined ? targetOfEnvironment(process.env, asked) : targetOfUrl(url, asked);
  if (path !== undefined && target.path !== path)
    throw new Error(`the URL has a path (${target.path}), so --live and --ready cannot apply`);
  return { target, timeoutMs };
}

function timeoutOf(text: string | undefined): number {
  const timeoutMs = Number(text);
  if (text === undefined || !(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS))
    throw new Error(`--timeout-ms: expected 1 to ${MAX_TIMEOUT_MS}, received ${text ?? 'nothing'}`);
  return timeoutMs;
}

/** Of a verbose answer the lines that failed, of any other the first line. */
function findings(body: string): string[] {
  const lines = body
    .split('\n')
    // What answers there may be anything; a terminal must not obey it.
    .map((line) => line.replace(/\p{Cc}/gu, '?'))
    .filter((line) => line.trim() !== '');
  const failed = lines.filter((line) => line.startsWith('[-]'));
  return failed.length > 0 ? failed : lines.slice(0, 1);
}

function probe({ address, path, name }: Target, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // So that a failure says in Docker's log what failed; of other paths nothing is known.
    const isOurs = path === '/livez' || path === '/readyz';
    const outgoing = request({ ...address, path: isOurs ? `${path}?verbose` : path, agent: false });
    // Ends everything that would keep the process alive, a body without end included.
    const finish = (settle: () => void): void => {
      clearTimeout(deadline);
      settle();
      outgoing.destroy();
    };
    const deadline = setTimeout(
      () => finish(() => reject(new Error(`${name}: no answer within ${timeoutMs} ms`))),
      timeoutMs,
    );
    outgoing.on('response', (response) => {
      let body = '';
      const done = (): void => finish(() => resolve({ status: response.statusCode ?? 0, body }));
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body = (body + text).slice(0, MAX_BODY_BYTES);
        if (body.length === MAX_BODY_BYTES) done();
      });
      response.on('end', done);
      response.on('error', done);
    });
    outgoing.on('error', (error) => finish(() => reject(new Error(`${name}: ${inWords(error)}`))));
    outgoing.end();
  });
}

/** A connection that failed on every address of a name is an AggregateError without a message of its own. */
function inWords(error: NodeJS.ErrnoException): string {
  const { code = '' } = error;
  const meaning =
    code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : code === 'ENOENT'
        ? 'there is no such socket'
        : code === 'EACCES'
          ? 'this user may not connect to it'
          : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
            ? 'the host name cannot be resolved'
            : code.startsWith('HPE_') || code === 'ECONNRESET'
              ? 'no HTTP answer'
              : error.message;
  return code === '' ? meaning : `${meaning} (${code})`;
}
