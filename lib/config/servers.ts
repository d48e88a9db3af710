/** Addresses of servers as options, flags and variables name them. */
import { isIP } from 'node:net';
import { invalid } from './values.js';

export interface ServerRules {
  /** In the order in which they are named; the first is that of an address without one. */
  readonly schemes: readonly string[];
  readonly defaultPort: number;
  /** What to use in place of a user and a password in the address. */
  readonly credentials: string;
}

const ADDRESS = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(\[[^\]/]*\]|[^:/?#[\]]*)(?::([^/?#]*))?(\/?)$/;
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?$/;

/**
 * `scheme://host:port` of each, complete. Not read as a URL would be: to those `1.2` is a host, and 80 the port of any `http:`.
 * @param where option, flag or variable, for messages; those show no user and no password
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export function serverList(where: string, list: readonly string[], rules: ServerRules): readonly string[] {
  const { schemes, defaultPort } = rules;
  const form = schemes.map((scheme) => `${scheme}://host:port`).join(' or ');
  const given = list.map((each) => each.trim()).filter((each) => each !== '');
  if (given.length === 0) throw invalid(where, `at least one server as ${form}`, [...list]);
  const servers = given.map((text) => {
    if (text.includes('@'))
      throw invalid(where, `no user or password in the address, but ${rules.credentials}`, redacted(text));
    const [, scheme = schemes[0] ?? '', host = '', port, slash] = ADDRESS.exec(text) ?? [];
    if (slash === undefined) throw invalid(where, `servers as ${form}`, text);
    if (!schemes.includes(scheme.toLowerCase())) throw invalid(where, `servers as ${form}`, text);
    if (!isHost(host))
      throw invalid(where, 'a host name, an IPv4 address or an IPv6 address in brackets', text);
    if (port !== undefined && !isPort(port)) throw invalid(where, 'a port from 1 to 65535', text);
    return `${scheme.toLowerCase()}://${host.toLowerCase()}:${Number(port ?? defaultPort)}`;
  });
  const places = servers.map((server) => server.replace(/^.*:\/\//, ''));
  const twice = places.find((place, index) => places.indexOf(place) < index);
  if (twice !== undefined) throw invalid(where, 'each server once', twice);
  return servers;
}

function isHost(host: string): boolean {
  if (host.startsWith('[')) return isIP(host.slice(1, -1)) === 6;
  const labels = host.replace(/\.$/, '').split('.');
  // Numbers alone are an address: the first port of a list without its host is none, nor is half an address.
  if (labels.every((label) => /^\d+$/.test(label))) return isIP(host) === 4;
  return host.length <= 253 && labels.every((label) => label.length <= 63 && LABEL.test(label));
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function redacted(text: string): string {
  const [, scheme = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)?(.*)$/s.exec(text) ?? [];
  return `${scheme}…@${rest.slice(rest.lastIndexOf('@') + 1)}`;
}
