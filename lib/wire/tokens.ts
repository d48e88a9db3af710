/** Tokens that a caller has to show; several are valid at a time, so that they can be changed without a gap. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Logger } from '../config/options.js';
import { readSmallFile } from '../config/small-file.js';
import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { watchFiles } from './watched-files.js';

/** Where tokens come from: given in code, in a file with one a line, or in a variable, separated by commas. */
export interface TokenOptions {
  readonly token?: string | readonly string[];
  readonly tokenFile?: string;
}

export interface Tokens {
  /** Null: none is asked for. The first is the one to show to others. */
  readonly first: string | null;
  /** @param authorization the header of a request. True where no token is asked for. */
  accepts(authorization: string | undefined): boolean;
  close(): void;
}

/** Variable with the token between frontends and workers. */
export const FLEET_TOKEN = 'INFERENCE_HEALTH_FLEET_TOKEN';
/** Variable with the token that a frontend's clients show. */
export const API_TOKEN = 'INFERENCE_HEALTH_API_TOKEN';

const MIN_BYTES = 16;
const MAX_BYTES = 4096;

/**
 * @param names of option, file option and variable, for messages
 * @throws InferenceHealthError ERR_CONFIG_INVALID; no message shows a token
 */
export function createTokens(
  names: { readonly option: string; readonly file: string; readonly variable: string },
  { token, tokenFile }: TokenOptions,
  logger?: Logger,
  everyMs?: number,
): Tokens {
  const variable = (process.env[names.variable] ?? '').trim();
  if (token !== undefined && tokenFile !== undefined)
    throw invalid(`option ${names.option}`, `either ${names.option} or ${names.file}`, 'both');
  const read = (): readonly string[] => {
    if (tokenFile !== undefined)
      return check(
        `option ${names.file}`,
        readSmallFile(`option ${names.file}`, tokenFile).split(/\r?\n/).map(trim).filter(Boolean),
      );
    if (token !== undefined)
      return check(`option ${names.option}`, typeof token === 'string' ? [token] : token);
    return variable === '' ? [] : check(names.variable, variable.split(',').map(trim).filter(Boolean));
  };
  let tokens = read();
  let digests = tokens.map(digest);
  const watch = watchFiles(
    tokenFile === undefined ? [] : [tokenFile],
    () => {
      try {
        tokens = read();
        digests = tokens.map(digest);
        logger?.info({ file: tokenFile, tokens: tokens.length }, 'tokens reloaded');
      } catch (error) {
        logger?.error({ error: (error as Error).message }, 'tokens not reloaded: those before stay');
      }
    },
    everyMs,
  );
  return {
    get first() {
      return tokens[0] ?? null;
    },
    accepts(authorization) {
      if (digests.length === 0) return true;
      const given = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      if (given === undefined) return false;
      const shown = digest(given);
      // All are compared: which one it was takes no other time than none.
      let isValid = false;
      for (const each of digests) if (timingSafeEqual(shown, each)) isValid = true;
      return isValid;
    },
    close: () => watch.close(),
  };
}

function check(where: string, tokens: unknown): readonly string[] {
  if (!Array.isArray(tokens) || tokens.length === 0 || !tokens.every((each) => typeof each === 'string'))
    throw invalid(where, 'a token, or several', Array.isArray(tokens) ? 'none' : typeof tokens);
  for (const token of tokens as string[]) {
    const bytes = Buffer.byteLength(token);
    if (bytes < MIN_BYTES || bytes > MAX_BYTES || /[^\x21-\x7e]/.test(token))
      throw new InferenceHealthError(
        'ERR_CONFIG_INVALID',
        `${where}: expected tokens of ${MIN_BYTES} to ${MAX_BYTES} bytes, visible ASCII, received one of ${bytes} bytes`,
      );
  }
  return tokens as string[];
}

const trim = (text: string): string => text.trim();

/** Digests: equally long whatever was sent, as timingSafeEqual wants. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
