/** Why a worker that is there cannot be used, as far as the connection tells; none of it is the worker's failure. */
export type WorkerProblem =
  /** It answers 401: this frontend shows no token, or not one of its. */
  | 'token'
  /** Its certificate is not trusted, has expired or is for another name; or it wants one from us. */
  | 'tls';

export const PROBLEM_TEXTS: Readonly<Record<WorkerProblem, string>> = {
  token: 'the worker refuses our token',
  tls: 'no trusted connection to the worker',
};

/** What a worker answers to a wrong token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  constructor() {
    super(PROBLEM_TEXTS.token);
  }
}

const TLS_CODE = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$)/;

export function problemOf(error: Error & { readonly code?: string }): WorkerProblem | null {
  if (error instanceof TokenRefused) return 'token';
  return TLS_CODE.test(error.code ?? '') ? 'tls' : null;
}
