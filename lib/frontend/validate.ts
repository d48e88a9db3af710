import { invalid } from '../config/values.js';
import type { FrontendOptions } from './options.js';

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function validateFrontend({ workers, overloadStatus = 503 }: FrontendOptions): void {
  if (!Array.isArray(workers) || workers.length === 0)
    throw invalid('workers', 'a list of at least one URL as http://host:port or https://host:port', workers);
  for (const url of workers) {
    const { protocol, pathname } = parseUrl(url);
    if ((protocol !== 'http:' && protocol !== 'https:') || pathname !== '/')
      throw invalid('workers', 'URLs as http://host:port or https://host:port', url);
  }
  if (new Set(workers).size < workers.length) throw invalid('workers', 'each URL once', workers);
  if (!Number.isInteger(overloadStatus) || overloadStatus < 400 || overloadStatus > 599)
    throw invalid('overloadStatus', 'an HTTP status from 400 to 599', overloadStatus);
}

function parseUrl(url: string): { readonly protocol: string; readonly pathname: string } {
  try {
    return new URL(url);
  } catch {
    return { protocol: '', pathname: '' };
  }
}
