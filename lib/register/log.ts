import type { Logger } from '../config/options.js';
import { textsOf } from '../log-texts.js';

/**
 * What an application that did not ask for output is told all the same: warnings, errors, and when the process stops or
 * starts again to be ready. That it is not at the start is no news.
 */
export function createRegisterLog(say: (line: string) => void): Logger {
  let isReady = true;
  function tellStatus({ phase, ready, reasons }: StatusFields): void {
    if (phase === 'starting' || ready === isReady) return;
    isReady = ready;
    say(ready ? 'ready' : `not ready: ${reasons.join(', ')}`);
  }
  function tell(fields: object, message = ''): void {
    if (isStatus(fields)) {
      tellStatus(fields);
      return;
    }
    const { texts, rest } = textsOf(fields);
    say(Object.keys(rest).length > 0 ? `${message} ${JSON.stringify(rest)}` : message);
    for (const line of texts.flatMap((text) => text.split('\n'))) say(`  ${line}`);
  }
  const info = (fields: object): void => {
    if (isStatus(fields)) tellStatus(fields);
  };
  return { debug: () => undefined, info, warn: tell, error: tell };
}

interface StatusFields {
  readonly phase: string;
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

function isStatus(fields: object): fields is StatusFields {
  return 'phase' in fields && 'ready' in fields && 'reasons' in fields;
}
