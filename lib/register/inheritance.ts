type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Left in the environment of a process that serves health, for its children: `<pid> <where it listens>`. Children inherit
 * NODE_OPTIONS and, by fork, the --import itself; without this each would try to take the port.
 */
export const OWNER = '_INFERENCE_HEALTH_OWNER';

/** Where this environment says to listen, as written; empty when it does not say. */
function told(environment: Environment): string {
  const text = (name: string): string => environment[name]?.trim() ?? '';
  const own = text('INFERENCE_HEALTH_LISTENERS') || text('INFERENCE_HEALTH_PORT');
  const dynamo = text('DYN_SYSTEM_PORT');
  // Below 0 is Dynamo's way to say nowhere.
  return [own, dynamo.startsWith('-') ? '' : dynamo].filter((place) => place !== '').join(' ');
}

export function ownerMark(pid: number, environment: Environment): string {
  return `${pid} ${told(environment)}`.trimEnd();
}

export interface Place {
  readonly pid: number;
  readonly isClusterWorker: boolean;
  readonly isAlive: (pid: number) => boolean;
}

/** Null when health belongs into this process, else why not. */
export function whyNotHere(
  environment: Environment,
  { pid, isClusterWorker, isAlive }: Place,
): string | null {
  const here = told(environment);
  const [ownerText = '', ...rest] = (environment[OWNER] ?? '').split(' ');
  const owner = Number(ownerText);
  // The same pid: this process replaced itself (execve) and what it served is gone.
  if (Number.isInteger(owner) && owner > 0 && owner !== pid && isAlive(owner)) {
    const there = rest.join(' ');
    if (here !== '' && here !== there) return null;
    return (
      `not started in process ${pid}: its parent ${owner} serves health${there === '' ? '' : ` (${there})`}; ` +
      'set another INFERENCE_HEALTH_PORT (or DYN_SYSTEM_PORT) for this process to serve its own'
    );
  }
  if (isClusterWorker && here === '') {
    return `not started in cluster worker ${pid}: set an INFERENCE_HEALTH_PORT or INFERENCE_HEALTH_LISTENERS of its own for each worker`;
  }
  return null;
}

/**
 * Programs written for Node whose processes only start or ask others: with NODE_OPTIONS in the environment of `npm start`,
 * npm itself would take the port, and the server, its child, would get none. Our own commands start their own health.
 */
const LAUNCHERS =
  /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack|pm2|pm2-runtime|nodemon|tsx|cross-env|dotenv|inference-health)(-cli)?(-[\d.]+)?(\.[cm]?js)?$/;

/** pm2's own process, which starts the applications. */
const PM2_DAEMON = /[\\/]pm2[\\/]lib[\\/]Daemon\.js$/;

/** @param entry `process.argv[1]`, with links not resolved */
export function isLauncher(entry: string | undefined): boolean {
  if (entry === undefined) return false;
  const name = entry.slice(Math.max(entry.lastIndexOf('/'), entry.lastIndexOf('\\')) + 1);
  return LAUNCHERS.test(name) || PM2_DAEMON.test(entry);
}
