import { request } from 'node:http';

const DEFAULT_PORT = 8081;
const DEFAULT_TIMEOUT_MS = 2000;

interface Target {
  readonly options: {
    readonly host?: string;
    readonly port?: number;
    readonly socketPath?: string;
    readonly path: string;
  };
  readonly name: string;
}

/** `inference-health check`: 0 when the probe passes, else 1, never anything else (Docker reserves 2). */
export async function check(args: readonly string[]): Promise<number> {
  try {
    const { target, timeoutMs } = parse(args);
    const status = await probe(target, timeoutMs);
    const passed = status >= 200 && status < 300;
    process.stdout.write(`${target.name}: ${status}${passed ? '' : ' (failed)'}\n`);
    return passed ? 0 : 1;
  } catch (error) {
    process.stderr.write(
      `inference-health check: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 1;
  }
}

function parse(args: readonly string[]): { target: Target; timeoutMs: number } {
  let path = '/livez';
  let url: string | undefined;
  let timeoutMs = DEFAULT_TIMEOUT_MS;
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--live') path = '/livez';
    else if (argument === '--ready') path = '/readyz';
    else if (argument === '--timeout-ms') {
      const text = rest.shift();
      timeoutMs = Number(text);
      if (!(timeoutMs >= 1 && timeoutMs <= 600_000))
        throw new Error(`--timeout-ms: expected 1 to 600000, received ${String(text)}`);
    } else if (argument.startsWith('-'))
      throw new Error(`unknown flag ${argument}; known: --live, --ready, --timeout-ms`);
    else if (url !== undefined) throw new Error(`one URL expected, received also ${argument}`);
    else url = argument;
  }
  return { target: targetOf(url, path), timeoutMs };
}

function targetOf(url: string | undefined, path: string): Target {
  if (url?.startsWith('unix:')) {
    const socketPath = url.slice('unix:'.length);
    return { options: { socketPath, path }, name: `${url} ${path}` };
  }
  const given = url ?? `http://127.0.0.1:${process.env.INFERENCE_HEALTH_PORT || DEFAULT_PORT}`;
  let parsed: URL;
  try {
    parsed = new URL(given.includes('://') ? given : `http://${given}`);
  } catch {
    throw new Error(`expected http://host:port[/path] or unix:/path, received ${JSON.stringify(given)}`);
  }
  if (parsed.protocol !== 'http:') throw new Error(`expected an http: URL, received ${parsed.protocol}`);
  const chosen =
    parsed.pathname === '/' && parsed.search === '' ? path : `${parsed.pathname}${parsed.search}`;
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return {
    options: { host, port: Number(parsed.port || 80), path: chosen },
    name: `${parsed.origin}${chosen}`,
  };
}

function probe({ options }: Target, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(
      () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const outgoing = request({ ...options, agent: false }, (response) => {
      clearTimeout(deadline);
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    outgoing.on('error', (error) => {
      clearTimeout(deadline);
      reject(error);
    });
    outgoing.end();
  });
}
