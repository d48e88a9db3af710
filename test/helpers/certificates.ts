import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  readonly folder: string;
  readonly ca: string;
  /** Makes a certificate of this authority; `days` below 0: it has expired. */
  make(name: string, options?: { names?: string; days?: number }): { cert: string; key: string };
}

/** An authority with openssl, in a folder of its own that goes when `use` ends. */
export async function withCertificates<T>(use: (certificates: Certificates) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-tls-'));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  try {
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=test',
    );
    return await use({
      folder,
      ca: at('ca.pem'),
      make(name, { names = 'IP:127.0.0.1,DNS:localhost', days = 2 } = {}) {
        writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`);
        openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
        const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', `${name}.ext`];
        openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`, '-days', String(days));
        return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
      },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
