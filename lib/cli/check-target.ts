import { resolveConfig } from '../config/resolve.js';

/** What `check` connects to. */
export interface Target {
  readonly address: { readonly host: string; readonly port: number } | { readonly socketPath: string };
  readonly path: string;
  /** For messages. */
  readonly name: string;
}

/** `http://host:port[/path]`, `host:port[/path]` or `unix:/path`; `path` is asked where the URL has none. */
export function targetOfUrl(url: string, path: string): Target {
  if (url.startsWith('unix:')) return unixTarget(url.slice('unix:'.length), path);
  if (/^\.{0,2}\//.test(url)) throw new Error(`${url} is a path; a unix socket is written unix:${url}`);
  let parsed: URL;
  try {
    parsed = new URL(url.includes('://') ? url : `http://${url}`);
  } catch {
    throw new Error(`expected http://host:port[/path] or unix:/path, received ${JSON.stringify(url)}`);
  }
  if (parsed.protocol !== 'http:') throw new Error(`expected an http: URL, received ${parsed.protocol}`);
  const isBare = parsed.pathname === '/' && parsed.search === '';
  return tcpTarget(
    parsed.hostname.replace(/^\[|\]$/g, ''),
    Number(parsed.port || 80),
    isBare ? path : `${parsed.pathname}${parsed.search}`,
  );
}

/** The first listener of a process that was started with this environment and no options of its own. */
export function targetOfEnvironment(environment: NodeJS.ProcessEnv, path: string): Target {
  const [listener] = resolveConfig({}, environment).listeners;
  if (listener === undefined)
    throw new Error('DYN_SYSTEM_PORT or DYN_SYSTEM_ENABLED turns the server off; give the URL');
  if (listener.kind === 'unix') return unixTarget(listener.path, path);
  if (listener.port === 0)
    throw new Error('port 0 is any free port, so that it cannot be known here; give the URL');
  const isWildcard = listener.host === null || listener.host === '0.0.0.0' || listener.host === '::';
  return tcpTarget(isWildcard ? '127.0.0.1' : (listener.host ?? ''), listener.port, path);
}

function unixTarget(socketPath: string, path: string): Target {
  return { address: { socketPath }, path, name: `unix:${socketPath} ${path}` };
}

function tcpTarget(host: string, port: number, path: string): Target {
  return {
    address: { host, port },
    path,
    name: `http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`,
  };
}
