import { SHARED_PATHS } from '../dialects/index.js';
import { rejectUnknown } from './keys.js';
import type { PathOptions } from './options.js';
import { invalid } from './values.js';

/** Where a Dynamo listener answers. `/ready` is fixed. */
export interface DynamoPaths {
  readonly health: string;
  readonly live: string;
}

const DEFAULTS: DynamoPaths = { health: '/health', live: '/live' };
const RESERVED = [...SHARED_PATHS, '/ready', '/metrics'];
/** What RFC 3986 allows in a path, but for `*`: other servers take it, as they take braces, for a pattern. */
const PATH = /^\/[\w.~!$&'()+,;=:@%/-]*$/;

/** Throws ERR_CONFIG_INVALID that names `where`, and the variable that most people set it by. */
export function pathsOf(where: string, given: PathOptions): DynamoPaths {
  rejectUnknown(where, given, ['health', 'live']);
  const paths = { ...DEFAULTS, ...given };
  check(`${where}.health (DYN_SYSTEM_HEALTH_PATH)`, paths.health);
  check(`${where}.live (DYN_SYSTEM_LIVE_PATH)`, paths.live);
  if (paths.health === paths.live) {
    const different = 'two different paths in DYN_SYSTEM_HEALTH_PATH and DYN_SYSTEM_LIVE_PATH';
    throw invalid(where, different, `${paths.health} twice`);
  }
  return Object.freeze(paths);
}

function check(where: string, path: unknown): void {
  if (typeof path !== 'string' || !PATH.test(path))
    throw invalid(where, 'a path that begins with / and has no pattern, query or space', path);
  if (RESERVED.includes(path))
    throw invalid(where, `a path other than ${RESERVED.join(', ')}, which every listener has`, path);
}
