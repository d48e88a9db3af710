import type { Logger } from '../config/options.js';
import type { RegisterPorts } from './register.js';

/**
 * Of workers that somebody else has registered, only those over TLS: whoever can write to the store would get the token and
 * all prompts in clear by an address with `http://`. For frontends that are told whom to trust (`workerTls`).
 * @param given addresses that the frontend itself was told, which may be what they are
 */
export function onlyTls(pool: RegisterPorts, given: readonly string[], logger?: Logger): RegisterPorts {
  const said = new Set<string>();
  return {
    add(url) {
      if (url.startsWith('https:') || given.includes(url)) return pool.add(url);
      if (said.has(url)) return;
      said.add(url);
      logger?.warn({ url }, 'a worker without TLS is registered: not used, since workerTls is set');
    },
    remove(url) {
      said.delete(url);
      pool.remove(url);
    },
    setLeaving: pool.setLeaving,
  };
}
