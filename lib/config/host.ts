import { invalid } from './values.js';

/** To Node an empty host is all interfaces. @throws InferenceHealthError ERR_CONFIG_INVALID */
export function checkHost(where: string, host: unknown): void {
  if (host !== undefined && (typeof host !== 'string' || host.trim() === ''))
    throw invalid(where, 'the name or the address of an interface', host);
}
